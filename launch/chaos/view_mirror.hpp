#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "launch/chaos/fault_proxy.hpp"

namespace rookery::launch {

/// Stands between one client and a colony: follows the head's routing view and hands it on with a
/// fault proxy in place of every node's endpoint. Faults belong to a node's name, so that its
/// successor meets them too. Any thread may call.
class ViewMirror {
 public:
  /// `head` is the head's routing endpoint. The mirror goes on with its last view when the head is
  /// silent.
  ViewMirror(std::string head, std::uint64_t seed);
  ~ViewMirror();
  [[nodiscard]] std::string endpoint() const;  ///< for `PoolClientOptions::head`
  void set(const std::string& node, const ProxyFaults& faults);
  void set_all(const ProxyFaults& faults);  ///< of nodes that are still to come too
  void heal() { set_all({}); }
  void reset_all();
  void reset(const std::string& node);
  [[nodiscard]] ProxyCounts counts() const;  ///< of all links together

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rookery::launch
