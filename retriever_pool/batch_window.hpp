#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <set>
#include <string>

namespace rookery::retriever_pool {

/// Decides how long the first query of a scan waits for others to share it. It waits only while
/// several clients are active and not all of them wait already, and never longer than the scan
/// that is saved when another joins. Pure: the caller tells the time.
class BatchWindow {
 public:
  using Time = std::chrono::steady_clock::time_point;

  explicit BatchWindow(std::chrono::microseconds window) : window_(window) {}

  /// A scan for these clients begins.
  void scan_began(std::set<std::string> clients, Time now);
  /// How long the scan may wait from when it could begin; `waiting` are the clients whose queries
  /// wait, `saved` is what one scan less saves.
  [[nodiscard]] std::chrono::microseconds wait(const std::set<std::string>& waiting,
                                               std::chrono::microseconds saved, Time now) const;

 private:
  struct Scan {
    std::set<std::string> clients;
    Time when;
  };
  std::chrono::microseconds window_;
  std::deque<Scan> scans_;  // the last few
};

}  // namespace rookery::retriever_pool
