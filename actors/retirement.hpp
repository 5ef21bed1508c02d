#pragma once

#include <chrono>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace rookery::actors {

/// A retired generation as the head sees it.
struct RetiredSight {
  std::string index, generation;
  bool leased = false;  ///< somebody holds a lease on it, or may
  bool needed = false;  ///< a swap goes back to it just now
};

/// When the processes of retired generations end: the newest of an index stays for `retain`, so
/// that going back is quick; the others, and it too after that, as soon as nobody holds a lease.
/// Pure: times come from the caller.
class Retirement {
 public:
  using Time = std::chrono::steady_clock::time_point;
  explicit Retirement(std::chrono::milliseconds retain) : retain_(retain) {}

  /// What may end now: index and generation. `retired` is all that are retired at present; what is
  /// seen for the first time has just become so.
  std::vector<std::pair<std::string, std::string>> due(const std::vector<RetiredSight>& retired,
                                                       Time now);

 private:
  using Key = std::pair<std::string, std::string>;
  struct Age {
    Time since;
    std::uint64_t order;  // of becoming retired
  };
  std::chrono::milliseconds retain_;
  std::map<Key, Age> ages_;
  std::uint64_t next_order_ = 1;
};

}  // namespace rookery::actors
