#include "actors/colony_observer.hpp"

#include <utility>

#include "actors/status_changes.hpp"

namespace rookery::actors {

void ColonyObserver::observe(const std::string& status_json, std::int64_t time_ms) {
  auto status = ColonyStatus::from_json(status_json, "the head's own status");
  history_.observe(status, time_ms);
  const std::lock_guard lock(mutex_);
  if (!last_) {
    events_.add({EventLevel::kInfo, "the head of term " + std::to_string(status.term) +
                                        " looks after colony " + status.colony},
                time_ms);
    // Nothing is known of the time before; who is here already has joined, as far as this head can
    // tell.
    last_.emplace();
    last_->generations = status.generations;
    last_->operations = status.operations;
  }
  for (const auto& event : status_changes(*last_, status)) events_.add(event, time_ms);
  last_ = std::move(status);
}

}  // namespace rookery::actors
