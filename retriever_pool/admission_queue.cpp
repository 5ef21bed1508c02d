#include "retriever_pool/admission_queue.hpp"

#include <algorithm>
#include <iterator>
#include <numeric>
#include <set>

namespace rookery::retriever_pool {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr milliseconds kRetryMin{1}, kRetryMax{1000};
// Of every full scan, for each lower priority that waits: nobody starves.
constexpr std::int64_t kReservedPart = 8;
// Under overload the queue is as long as deadlines let it be, so that half of all answers would
// come late if the estimate were met on average: it must be met nearly always.
constexpr int kMarginPart = 8;

}  // namespace

Priority priority_of(std::uint8_t number) {
  return number < kPriorities ? static_cast<Priority>(number) : Priority::kPrefetch;
}

std::string to_string(Priority priority) {
  switch (priority) {
    case Priority::kVerification:
      return "verification";
    case Priority::kTraining:
      return "training";
    case Priority::kPrefetch:
      break;
  }
  return "prefetch";
}

std::int64_t PendingRequest::bytes() const { return body.bytes(); }

std::int64_t AdmissionQueue::size() const {
  return std::accumulate(classes_.begin(), classes_.end(), std::int64_t{0},
                         [](std::int64_t sum, const Class& c) { return sum + ssize(c.waiting); });
}

void AdmissionQueue::add(PendingRequest request) {
  Class& to = class_of(request.priority());
  count(to, request);
  to.waiting.push_back(std::move(request));
}

void AdmissionQueue::count(Class& to, const PendingRequest& request) {
  to.bytes += request.bytes();
  to.queries += request.queries();
  to.by_cost.at(request.cost_class) += request.queries();
}

void AdmissionQueue::forget(Class& from, const PendingRequest& request) {
  from.bytes -= request.bytes();
  from.queries -= request.queries();
  from.by_cost.at(request.cost_class) -= request.queries();
}

PendingRequest AdmissionQueue::take_front(Class& from) {
  forget(from, from.waiting.front());
  PendingRequest request = std::move(from.waiting.front());
  from.waiting.pop_front();
  return request;
}

std::uint64_t AdmissionQueue::lot(const wire::RequestId& request) {
  std::uint64_t bits = request.high ^ (request.low * 0x9E3779B97F4A7C15U);  // splitmix64
  bits = (bits ^ (bits >> 30U)) * 0xBF58476D1CE4E5B9U;
  bits = (bits ^ (bits >> 27U)) * 0x94D049BB133111EBU;
  return bits ^ (bits >> 31U);
}

// What stands against a request, in words.
std::optional<std::string> AdmissionQueue::obstacle(const PendingRequest& request, Time now) const {
  const auto priority = static_cast<std::size_t>(request.priority());
  const Class& mine = classes_.at(priority);
  const auto part = [&](std::int64_t whole) {
    return std::max<std::int64_t>(
        1, static_cast<std::int64_t>(limits_.shares.at(priority) * static_cast<double>(whole)));
  };
  if (std::ssize(mine.waiting) >= part(limits_.requests_max)) {
    return "the queue holds " + std::to_string(mine.waiting.size()) + " requests";
  }
  // An empty queue takes a request of any size that the wire let through.
  if (!mine.waiting.empty() && mine.bytes + request.bytes() > part(limits_.bytes_max)) {
    return "the queue holds " + std::to_string(mine.bytes) + " bytes";
  }
  // An idle server takes every request, so that what it learnt of a slow moment is forgotten.
  if (empty() && !running_since_) return std::nullopt;
  const microseconds wait = wait_of(now, request.priority(), request.queries(), request.cost_class);
  if (now + wait + wait / kMarginPart <= request.deadline) return std::nullopt;
  return "the expected wait of " + std::to_string(wait.count()) + " us is longer than the deadline";
}

// Lets the smallest lot that waits go, if it is smaller and its place is enough.
bool AdmissionQueue::make_room(const PendingRequest& request, Time now) {
  Class& mine = class_of(request.priority());
  const auto lot_of = [](const PendingRequest& one) { return lot(one.header.request); };
  const auto smallest =
      std::min_element(mine.waiting.begin(), mine.waiting.end(), [&](const auto& a, const auto& b) {
        return std::pair(a.queries() == 0, lot_of(a)) < std::pair(b.queries() == 0, lot_of(b));
      });
  if (smallest == mine.waiting.end() || smallest->queries() == 0) return false;  // pings stay
  if (lot_of(*smallest) >= lot_of(request)) return false;
  PendingRequest gone = std::move(*smallest);
  const auto place = mine.waiting.erase(smallest);
  forget(mine, gone);
  if (obstacle(request, now)) {
    count(mine, gone);
    mine.waiting.insert(place, std::move(gone));
    return false;
  }
  displaced_.emplace_back(std::move(gone),
                          overloaded("others came first, by lot", request.priority(), now));
  return true;
}

Refusal AdmissionQueue::overloaded(std::string why, Priority priority, Time now) const {
  const auto retry = std::chrono::ceil<milliseconds>(expected_wait(now, priority));
  return {wire::ErrorCode::kOverloaded, std::move(why), std::clamp(retry, kRetryMin, kRetryMax)};
}

std::optional<Refusal> AdmissionQueue::admit(PendingRequest&& request, Time now) {
  if (request.deadline <= now) {
    return Refusal{wire::ErrorCode::kDeadline, "the deadline passed before the request arrived",
                   milliseconds{0}};
  }
  const auto why = obstacle(request, now);
  if (why && !make_room(request, now)) return overloaded(*why, request.priority(), now);
  add(std::move(request));
  return std::nullopt;
}

// --- what is searched next ---

std::optional<AdmissionQueue::Time> AdmissionQueue::next_batch_at(Time now) const {
  Time first = Time::max(), deadline = Time::max();
  std::int64_t queries = 0;
  std::set<std::string> clients;
  bool any = false;
  for (const Class& c : classes_) {
    any = any || !c.waiting.empty();
    queries += c.queries;
  }
  if (!any) return std::nullopt;
  if (queries == 0 || queries >= limits_.batch_queries_max || limits_.window.count() == 0) {
    return Time::min();
  }
  std::array<bool, kCostClasses> sorts{};
  for (const Class& c : classes_) {
    for (const PendingRequest& request : c.waiting) {
      if (request.queries() == 0) continue;
      first = std::min(first, request.arrived);
      deadline = std::min(deadline, request.deadline);
      clients.insert(request.client);
      sorts.at(request.cost_class) = true;
    }
  }
  microseconds saved{0};
  for (std::size_t sort = 0; sort < kCostClasses; ++sort) {
    if (sorts.at(sort)) saved = std::max(saved, costs_.at(sort).fixed());
  }
  // While a scan runs, waiting costs nothing: the time counts from when the server is free.
  const Time begin = std::max(first, free_since_);
  const Time latest = deadline - 2 * expected_search().value_or(microseconds{0});
  return std::min(begin + window_.wait(clients, saved, now), latest);
}

// Moves requests from the front of a priority to the batch while their queries fit; returns how
// many queries were moved.
std::int64_t AdmissionQueue::fill(Class& from, std::int64_t room, std::int64_t& taken, Time now,
                                  Batch& batch) {
  const std::int64_t before = taken;
  std::int64_t mine = 0;
  while (!from.waiting.empty()) {
    const PendingRequest& front = from.waiting.front();
    if (front.deadline <= now) {
      batch.expired.push_back(take_front(from));
      continue;
    }
    // A request that no batch has room for is taken alone.
    const bool alone = taken == 0 && room > 0;
    if (front.queries() > 0 && !alone && mine + front.queries() > room) break;
    mine += front.queries();
    taken += front.queries();
    batch.requests.push_back(take_front(from));
  }
  return taken - before;
}

AdmissionQueue::Batch AdmissionQueue::take_batch(Time now) {
  Batch batch;
  const std::int64_t full = limits_.batch_queries_max;
  const std::int64_t reserved = std::max<std::int64_t>(1, full / kReservedPart);
  std::array<std::int64_t, kPriorities> got{};
  std::int64_t taken = 0, joined = 0;
  // Who was passed over long enough comes first, so that a stream of higher priorities cannot keep
  // it out; a request larger than the reserved part is passed over several times.
  for (std::size_t p = 1; p < classes_.size(); ++p) {
    Class& low = classes_.at(p);
    if (low.waiting.empty()) continue;
    const std::int64_t next = low.waiting.front().queries();
    if (low.credit == 0 || std::min(next, full) > low.credit) continue;
    got.at(p) = fill(low, std::max(low.credit, next), taken, now, batch);
  }
  std::int64_t top = 0;
  for (std::size_t p = 0; p < classes_.size(); ++p) {
    // Whoever waits for a token waits at most twice as long for what others add to the scan.
    const std::int64_t room = top == 0 ? full - taken : std::min(full - taken, top - joined);
    const std::int64_t more = fill(classes_.at(p), room, taken, now, batch);
    got.at(p) += more;
    (top == 0 ? top : joined) += more;
  }
  for (std::size_t p = 1; p < classes_.size(); ++p) {
    Class& low = classes_.at(p);
    const bool passed_over = got.at(p) == 0 && low.queries > 0;
    // It goes in every second scan at most, with the parts of two.
    low.credit = passed_over ? std::min(low.credit + 2 * reserved, full) : 0;
  }
  std::stable_sort(
      batch.requests.begin(), batch.requests.end(),
      [](const PendingRequest& a, const PendingRequest& b) { return a.priority() < b.priority(); });
  ByCost queries{};
  std::set<std::string> clients;
  for (const PendingRequest& request : batch.requests) {
    if (request.queries() == 0) continue;
    queries.at(request.cost_class) += request.queries();
    clients.insert(request.client);
  }
  window_.scan_began(std::move(clients), now);
  running_since_ = now;
  running_cost_ = cost(queries);
  return batch;
}

void AdmissionQueue::finished(Time now) {
  running_since_.reset();
  free_since_ = now;
}

bool AdmissionQueue::cancel(const std::string& client, const wire::RequestId& request) {
  for (Class& c : classes_) {
    const auto found =
        std::find_if(c.waiting.begin(), c.waiting.end(), [&](const PendingRequest& p) {
          return p.header.type == wire::Type::kQuery && p.header.request == request &&
                 p.client == client;
        });
    if (found == c.waiting.end()) continue;
    forget(c, *found);
    c.waiting.erase(found);
    return true;
  }
  return false;
}

// --- what waiting costs ---

void AdmissionQueue::record(std::size_t cost_class, std::int64_t queries, microseconds took) {
  costs_.at(cost_class).record(queries, took);
}

microseconds AdmissionQueue::cost(const ByCost& queries) const {
  microseconds sum{0};
  for (std::size_t sort = 0; sort < kCostClasses; ++sort) {
    const std::int64_t full = limits_.batch_queries_max;
    const std::int64_t scans = queries.at(sort) / full, rest = queries.at(sort) % full;
    sum += scans * costs_.at(sort).of(full) + costs_.at(sort).of(rest);
  }
  return sum;
}

microseconds AdmissionQueue::running_left(Time now) const {
  if (!running_since_) return microseconds{0};
  const auto gone = std::chrono::duration_cast<microseconds>(now - *running_since_);
  // A scan that takes longer than expected may end at any moment, or not.
  return std::max(running_cost_ - gone, running_cost_ / 4);
}

// Queries that are searched before a request that comes now, or with it.
AdmissionQueue::ByCost AdmissionQueue::ahead(Priority priority, std::int64_t own) const {
  ByCost queries{};
  std::int64_t higher = own, lower = 0;
  for (std::size_t p = 0; p < classes_.size(); ++p) {
    if (p > static_cast<std::size_t>(priority)) {
      lower += classes_.at(p).queries;
      continue;
    }
    higher += classes_.at(p).queries;
    for (std::size_t sort = 0; sort < kCostClasses; ++sort) {
      queries.at(sort) += classes_.at(p).by_cost.at(sort);
    }
  }
  // Lower ones join the scans up to as many queries again.
  std::int64_t joining = std::min(lower, higher);
  for (std::size_t p = static_cast<std::size_t>(priority) + 1; p < classes_.size(); ++p) {
    const Class& low = classes_.at(p);
    const std::int64_t part = std::min(joining, low.queries);
    joining -= part;
    for (std::size_t sort = 0; part > 0 && sort < kCostClasses; ++sort) {
      queries.at(sort) += part * low.by_cost.at(sort) / low.queries;
    }
  }
  return queries;
}

microseconds AdmissionQueue::wait_of(Time now, Priority priority, std::int64_t own,
                                     std::size_t cost_class) const {
  ByCost queries = ahead(priority, own);
  const std::int64_t full = limits_.batch_queries_max;
  std::int64_t& mine = queries.at(cost_class);
  mine += own;
  // Whoever comes later may still join its scan: it counts as up to twice as full.
  if (running_since_) mine += std::min(mine % full, (full - mine % full) % full);
  microseconds wait = cost(queries);
  std::int64_t higher = 0;
  for (std::size_t p = 0; p < static_cast<std::size_t>(priority); ++p) {
    higher += classes_.at(p).queries;
  }
  if (higher >= full) {  // full scans of others go on: only the reserved part is sure
    const std::int64_t reserved = std::max<std::int64_t>(1, full / kReservedPart);
    const std::int64_t scans =
        (classes_.at(static_cast<std::size_t>(priority)).queries + own + reserved - 1) / reserved;
    wait = std::max(wait, scans * costs_.at(cost_class).of(full));
  }
  return running_left(now) + wait;
}

microseconds AdmissionQueue::expected_wait(Time now, Priority priority) const {
  return running_left(now) + cost(ahead(priority, 0));
}

std::optional<microseconds> AdmissionQueue::expected_search() const {
  ByCost queries{};
  for (const Class& c : classes_) {
    for (std::size_t sort = 0; sort < kCostClasses; ++sort) {
      queries.at(sort) += c.by_cost.at(sort);
      if (c.by_cost.at(sort) > 0 && !costs_.at(sort).known()) return std::nullopt;
    }
  }
  return cost(queries);
}

}  // namespace rookery::retriever_pool
