#include "retriever_pool/search_team.hpp"

namespace rookery::retriever_pool {

SearchTeam::SearchTeam(int threads) : team_(threads == 0 ? base::usable_cores() : threads) {}

bool SearchTeam::run(int parts, std::chrono::steady_clock::time_point deadline,
                     const std::function<void(int)>& part) {
  {
    std::unique_lock lock(mutex_);
    // A deadline at the end of time overflows inside wait_until.
    if (deadline == std::chrono::steady_clock::time_point::max()) {
      turn_.wait(lock, [this] { return !busy_; });
    } else if (!turn_.wait_until(lock, deadline, [this] { return !busy_; })) {
      return false;
    }
    busy_ = true;
  }
  struct Turn {
    SearchTeam& team;
    ~Turn() {
      {
        const std::lock_guard lock(team.mutex_);
        team.busy_ = false;
      }
      team.turn_.notify_one();
    }
  } turn{*this};
  team_.run(parts, part);
  return true;
}

}  // namespace rookery::retriever_pool
