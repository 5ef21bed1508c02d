#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>

#include "base/thread_team.hpp"

namespace rookery::retriever_pool {

/// A team of search threads that several callers share, one job at a time.
class SearchTeam {
 public:
  /// `threads` in [1, 1024]; 0 takes all usable cores.
  explicit SearchTeam(int threads);
  [[nodiscard]] int size() const { return team_.size(); }
  /// Waits for its turn, then runs `part(0)` … `part(parts - 1)` on the team. False when the turn
  /// did not come before `deadline`. Any thread may call.
  [[nodiscard]] bool run(int parts, std::chrono::steady_clock::time_point deadline,
                         const std::function<void(int)>& part);

 private:
  base::ThreadTeam team_;
  std::mutex mutex_;
  std::condition_variable turn_;
  bool busy_ = false;
};

}  // namespace rookery::retriever_pool
