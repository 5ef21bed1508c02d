#include "retriever_pool/replica_roster.hpp"

#include <algorithm>

namespace rookery::retriever_pool {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kNoticeable{3};
constexpr std::int64_t kBusyInFlight = 4;   // queries that this client alone waits for
constexpr double kDear = 1.25;              // slower than the average: hardly asked when all idle
constexpr std::size_t kAbandonedMax = 128;  // they are forgotten beyond

std::chrono::microseconds us_between(RoutedReplica::Time from, RoutedReplica::Time to) {
  return std::chrono::duration_cast<std::chrono::microseconds>(to - from);
}

}  // namespace

double RoutedReplica::cost(Time now) const {
  double relative = health.relative();
  // The first that is not abandoned is about the oldest: numbers of calls rise.
  const auto oldest = std::find_if(in_flight.begin(), in_flight.end(),
                                   [](const auto& item) { return !item.second.abandoned; });
  if (oldest != in_flight.end()) {
    const InFlight& message = oldest->second;
    relative =
        std::max(relative, lore->pace.relative(message.work_class, us_between(message.sent, now)));
  }
  return static_cast<double>(open + 1) * relative;
}

void RoutedReplica::add(AttemptId id, const InFlight& message) {
  if (in_flight.size() >= kAbandonedMax + static_cast<std::size_t>(open)) {
    std::erase_if(in_flight, [](const auto& item) { return item.second.abandoned; });
  }
  in_flight[id] = message;
  ++open;
  asked = message.sent;
}

std::optional<InFlight> RoutedReplica::take(AttemptId id) {
  const auto found = in_flight.find(id);
  if (found == in_flight.end()) return std::nullopt;
  const InFlight message = found->second;
  if (!message.abandoned) --open;
  in_flight.erase(found);
  return message;
}

void RoutedReplica::abandon(AttemptId id) {
  const auto found = in_flight.find(id);
  if (found == in_flight.end() || found->second.abandoned) return;
  found->second.abandoned = true;
  --open;
}

RoutedReplica& ReplicaRoster::add(Replica number, const ReplicaPlace& place) {
  RoutedReplica& replica = replicas_[number];
  replica.number = number;
  replica.place = place;
  replica.lore = &lore(place);
  return replica;
}

RoutedReplica* ReplicaRoster::find(Replica number) {
  const auto found = replicas_.find(number);
  return found == replicas_.end() ? nullptr : &found->second;
}

bool ReplicaRoster::serves(const ReplicaPlace& place) const {
  return std::any_of(replicas_.begin(), replicas_.end(),
                     [&](const auto& item) { return item.second.place == place; });
}

ShardLore& ReplicaRoster::lore(const ReplicaPlace& place) {
  return lore_.try_emplace({place.index, place.shard}, options_.hedge_share).first->second;
}

ReplicaRoster::Choice ReplicaRoster::choice(const ReplicaPlace& place,
                                            const std::set<Replica>& excluded, Time now) const {
  Choice result;
  for (const auto& [number, replica] : replicas_) {
    if (replica.place != place || !replica.ready) continue;
    ++result.replicas;
    const bool ejected =
        options_.ejection && replica.outlier.state(now) != OutlierDetector::State::kIn;
    if (!replica.health.is_connected() || replica.health.suspect() || ejected) {
      ++result.out;
    } else if (replica.busy_until > now || replica.open >= kBusyInFlight) {
      ++result.busy;
    }
    if (!replica.health.is_connected()) continue;
    if (excluded.contains(number)) {
      result.any_excluded = true;
      continue;
    }
    result.candidates.push_back(
        {static_cast<std::size_t>(number), replica.cost(now), replica.health.suspect(), ejected});
  }
  result.rules.policy = options_.choice;
  result.rules.panic = 2 * (result.replicas - result.out) < result.replicas;
  return result;
}

RoutedReplica* ReplicaRoster::to_probe(const ReplicaPlace& place, Time now) {
  for (auto& [number, replica] : replicas_) {
    if (replica.place != place || !replica.ready || !replica.health.is_connected()) continue;
    if (replica.health.suspect()) continue;
    const bool dear = replica.outlier.state(now) == OutlierDetector::State::kIn &&
                      replica.health.relative() > kDear &&
                      now - replica.asked >= OutlierDetector::kProbeEvery;
    if (dear || (options_.ejection && replica.outlier.probe_due(now))) return &replica;
  }
  return nullptr;
}

std::optional<double> ReplicaRoster::median_of_peers(const RoutedReplica& replica) const {
  std::vector<double> medians;
  for (const auto& [number, peer] : replicas_) {
    if (number == replica.number || peer.place != replica.place) continue;
    if (const auto median = peer.outlier.median(OutlierDetector::kCallsOfPeers)) {
      medians.push_back(*median);
    }
  }
  if (medians.empty()) return std::nullopt;
  const auto middle = medians.begin() + std::ssize(medians) / 2;
  std::nth_element(medians.begin(), middle, medians.end());
  return *middle;
}

bool ReplicaRoster::answered(RoutedReplica& replica, const InFlight& message, Time now) {
  const auto latency = us_between(message.sent, now);
  const double relative = replica.lore->pace.relative(message.work_class, latency);
  replica.health.measured(relative);
  if (!message.abandoned) replica.lore->pace.record(message.work_class, latency);
  // Among tenths of a millisecond, three times as long is the noise of the machine.
  const double judged = latency < kNoticeable ? std::min(relative, 1.0) : relative;
  return replica.outlier.answered(judged, median_of_peers(replica), now) && options_.ejection;
}

}  // namespace rookery::retriever_pool
