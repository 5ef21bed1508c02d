#include "actors/membership.hpp"

#include <algorithm>
#include <utility>

namespace rookery::actors {

namespace {

using retriever_pool::ReplicaState;
using retriever_pool::ReplicaView;

constexpr std::size_t kTextBytesMax = 512;  // of any name, endpoint or reason that a peer sends

/// Printable ASCII: these texts travel on into JSON, terminals and log files.
bool valid_text(const std::string& text) {
  return text.size() <= kTextBytesMax &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
}

bool valid_state(std::uint8_t state) {
  return state <= static_cast<std::uint8_t>(ReplicaState::kGone);
}

/// A ready node must say where it listens, else clients would be sent nowhere.
bool valid_place(std::uint8_t state, const std::string& endpoint) {
  return valid_state(state) && valid_text(endpoint) &&
         (static_cast<ReplicaState>(state) != ReplicaState::kReady || !endpoint.empty());
}

bool same_for_clients(const ReplicaView& a, const ReplicaView& b) {
  return a.shard == b.shard && a.replica == b.replica && a.node == b.node &&
         a.endpoint == b.endpoint && a.state == b.state && a.generation == b.generation &&
         a.pid == b.pid && a.restarts == b.restarts && a.host == b.host;
}

}  // namespace

Membership::Membership(retriever_pool::RoutingView wanted, MembershipOptions options,
                       TimePoint start)
    : view_(std::move(wanted)), options_(options), start_(start) {
  view_.members.clear();
  const auto& live = wanted_generation();
  for (Slot slot{0, 0}; slot.shard < live.shards; ++slot.shard) {
    for (slot.replica = 0; slot.replica < live.replicas; ++slot.replica) {
      auto& member = members_[slot].view;
      member.index = live.index_name;
      member.shard = slot.shard;
      member.replica = slot.replica;
      member.node = node_name(slot, live.replicas);
    }
  }
  refresh();
}

const retriever_pool::GenerationView& Membership::wanted_generation() const {
  return view_.generations.at(0);
}

std::optional<Errc> Membership::join(const NodeHello& hello) {
  if (hello.wire != kWireVersion) return Errc::kWrongVersion;
  if (!hello.colony.empty() && hello.colony != view_.colony) return Errc::kWrongColony;
  if (!valid_place(hello.state, hello.endpoint) || hello.node.empty() || !valid_text(hello.node) ||
      !valid_text(hello.host) || hello.pid <= 0) {
    return Errc::kInvalid;
  }
  const auto place = members_.find(Slot{hello.shard, hello.replica});
  if (place == members_.end()) return Errc::kUnknownSlot;
  if (hello.generation != wanted_generation().index.generation) return Errc::kWrongGeneration;
  auto& member = place->second;
  const bool held = member.in_contact && member.view.pid != 0;
  if (held && member.view.node != hello.node) return Errc::kSlotTaken;
  auto& view = member.view;
  if (view.pid != hello.pid) view.queue = view.served = member.refused = 0;
  view.node = hello.node;
  view.host = hello.host;
  view.pid = hello.pid;
  view.endpoint = hello.endpoint;
  view.state = static_cast<ReplicaState>(hello.state);
  view.generation = hello.generation;
  member.start_ticks = hello.start_ticks;
  member.boot = hello.boot;
  member.in_contact = true;
  refresh();
  return std::nullopt;
}

Membership::Member* Membership::find(const std::string& node, std::int64_t pid) {
  for (auto& [slot, member] : members_) {
    if (member.view.node == node && member.view.pid == pid) return &member;
  }
  return nullptr;
}

std::optional<Errc> Membership::report(const NodeReport& report) {
  auto* member = find(report.node, report.pid);
  if (member == nullptr || !member->in_contact) return Errc::kNotJoined;
  if (!valid_place(report.state, report.endpoint)) return Errc::kInvalid;
  member->view.state = static_cast<ReplicaState>(report.state);
  member->view.endpoint = report.endpoint;
  member->view.queue = report.queue;
  member->view.served = report.served;
  member->refused = report.refused;
  refresh();
  return std::nullopt;
}

void Membership::remove_from_view(Member& member) {
  member.in_contact = false;
  member.view.state = ReplicaState::kGone;
  member.view.endpoint.clear();
  member.view.pid = 0;
  member.view.queue = 0;
}

void Membership::leave(const std::string& node, std::int64_t pid) {
  if (auto* member = find(node, pid)) remove_from_view(*member);
  refresh();
}

void Membership::lost(const std::string& node, std::int64_t pid, bool dead, TimePoint now) {
  auto* member = find(node, pid);
  if (member == nullptr) return;
  if (dead || member->view.state != ReplicaState::kReady) {
    remove_from_view(*member);
  } else if (member->in_contact) {
    member->in_contact = false;
    member->lost_since = now;
  }
  refresh();
}

std::optional<Errc> Membership::process_event(const ProcessEvent& event) {
  const auto place = members_.find(Slot{event.shard, event.replica});
  if (place == members_.end()) return Errc::kUnknownSlot;
  if (event.reason.size() > kTextBytesMax) return Errc::kInvalid;
  auto& member = place->second;
  member.view.restarts = event.restarts;
  member.crash_loop = event.crash_loop;
  if (!event.running) {
    member.exit_code = event.exit_code;
    member.reason = event.reason;
    // A late word of an earlier process says nothing about the one that has joined since.
    if (member.view.pid == event.pid || member.view.pid == 0) remove_from_view(member);
  }
  refresh();
  return std::nullopt;
}

void Membership::tick(TimePoint now) {
  for (auto& [slot, member] : members_) {
    const bool suspect = member.view.state == ReplicaState::kReady && !member.in_contact;
    if (!suspect || now - member.lost_since < options_.suspect) continue;
    const bool replaceable =
        std::any_of(members_.begin(), members_.end(), [shard = slot.shard](const auto& other) {
          return other.first.shard == shard && other.second.in_contact &&
                 other.second.view.state == ReplicaState::kReady;
        });
    if (replaceable) remove_from_view(member);
  }
  refresh();
}

bool Membership::publishable(TimePoint now) {
  const auto age = now - start_;
  const bool anyone = std::any_of(members_.begin(), members_.end(),
                                  [](const auto& member) { return member.second.in_contact; });
  published_ = published_ || view_.complete() ||
               (age >= options_.settle && view_.serves_all_shards()) ||
               (age >= options_.settle_max && anyone);
  return published_;
}

void Membership::refresh() {
  std::vector<ReplicaView> members;
  members.reserve(members_.size());
  for (const auto& [slot, member] : members_) members.push_back(member.view);
  if (!std::equal(members.begin(), members.end(), view_.members.begin(), view_.members.end(),
                  same_for_clients)) {
    ++view_.epoch;
  }
  view_.members = std::move(members);
}

}  // namespace rookery::actors
