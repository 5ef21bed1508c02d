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
         a.pid == b.pid && a.restarts == b.restarts && a.host == b.host && a.index == b.index;
}

bool same_generation(const retriever_pool::GenerationView& a,
                     const retriever_pool::GenerationView& b) {
  return a.index_name == b.index_name && a.role == b.role && a.shards == b.shards &&
         a.replicas == b.replicas && a.index.generation == b.index.generation &&
         a.snapshot == b.snapshot && a.index.default_kind == b.index.default_kind;
}

}  // namespace

Membership::Membership(retriever_pool::RoutingView wanted, MembershipOptions options,
                       TimePoint start)
    : view_(std::move(wanted)), options_(options), start_(start) {
  view_.members.clear();
  WantedMembers members{view_.generations, {}};
  for (const auto& generation : view_.generations) {
    Slot slot{generation.index_name, generation.index.generation, 0, 0};
    for (; slot.shard < generation.shards; ++slot.shard) {
      for (slot.replica = 0; slot.replica < generation.replicas; ++slot.replica) {
        const auto name = "node-" + std::to_string(members.nodes.size() + 1);
        members.nodes[slot].node = name;
      }
    }
  }
  want(members, start);
}

void Membership::want(const WantedMembers& wanted, TimePoint now) {
  if (!std::equal(wanted.generations.begin(), wanted.generations.end(), view_.generations.begin(),
                  view_.generations.end(), same_generation)) {
    ++view_.epoch;
  }
  view_.generations = wanted.generations;
  for (const auto& [slot, node] : wanted.nodes) {
    auto& member = members_[slot];
    auto& view = member.view;
    view.index = slot.index;
    view.generation = slot.generation;
    view.shard = slot.shard;
    view.replica = slot.replica;
    // A node that was started by hand keeps the name it gave itself.
    if (view.pid == 0) view.node = node.node;
    member.agent = node.agent;
    member.drained = node.drained;
    member.leaving = false;
  }
  for (auto place = members_.begin(); place != members_.end();) {
    auto& [slot, member] = *place;
    const bool gone = !wanted.nodes.contains(slot) && member.view.pid == 0;
    if (!wanted.nodes.contains(slot) && !gone && !member.leaving) {
      member.leaving = true;
      member.lost_since = now;
      member.view.state = ReplicaState::kDraining;
    }
    place = gone ? members_.erase(place) : std::next(place);
  }
  refresh();
}

std::optional<Slot> Membership::find_slot(const NodeHello& hello) const {
  for (const auto& [slot, member] : members_) {
    if (slot.shard == hello.shard && slot.replica == hello.replica &&
        slot.generation == hello.generation && !member.leaving &&
        (hello.index.empty() || slot.index == hello.index)) {
      return slot;
    }
  }
  return std::nullopt;
}

std::optional<Errc> Membership::join(const NodeHello& hello) {
  if (hello.wire != kWireVersion) return Errc::kWrongVersion;
  if (!hello.colony.empty() && hello.colony != view_.colony) return Errc::kWrongColony;
  if (!valid_place(hello.state, hello.endpoint) || hello.node.empty() || !valid_text(hello.node) ||
      !valid_text(hello.host) || hello.pid <= 0) {
    return Errc::kInvalid;
  }
  const auto slot = find_slot(hello);
  if (!slot) {
    const bool served = std::any_of(
        view_.generations.begin(), view_.generations.end(), [&](const auto& generation) {
          return generation.index.generation == hello.generation &&
                 (hello.index.empty() || generation.index_name == hello.index);
        });
    const bool shard_there = std::any_of(members_.begin(), members_.end(), [&](const auto& member) {
      return member.first.shard == hello.shard && member.first.replica == hello.replica;
    });
    return served || !shard_there ? Errc::kUnknownSlot : Errc::kWrongGeneration;
  }
  auto& member = members_.at(*slot);
  const bool held = member.in_contact && member.view.pid != 0;
  if (held && member.view.node != hello.node) return Errc::kSlotTaken;
  auto& view = member.view;
  if (view.pid != hello.pid) view.queue = view.served = member.refused = 0;
  view.node = hello.node;
  view.host = hello.host;
  view.pid = hello.pid;
  view.endpoint = hello.endpoint;
  view.state = static_cast<ReplicaState>(hello.state);
  member.run = hello.run;
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
  if (!member->leaving) member->view.state = static_cast<ReplicaState>(report.state);
  member->view.endpoint = report.endpoint;
  member->view.queue = report.queue;
  member->view.served = report.served;
  member->refused = report.refused;
  member->queue_wait_us = std::max<std::int64_t>(report.queue_wait_us, 0);
  member->p50_us = std::max<std::int64_t>(report.p50_us, 0);
  member->p99_us = std::max<std::int64_t>(report.p99_us, 0);
  member->http = report.http.substr(0, 64);
  refresh();
  return std::nullopt;
}

void Membership::remove_from_view(Member& member) {
  member.in_contact = false;
  member.view.state = ReplicaState::kGone;
  member.view.endpoint.clear();
  member.view.pid = 0;
  member.view.queue = 0;
  member.queue_wait_us = member.p50_us = member.p99_us = 0;
  member.http.clear();
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
  const auto place = members_.find(slot_of(event));
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
    if (member.leaving && now - member.lost_since >= options_.leaving_max) remove_from_view(member);
    const bool suspect = member.view.state == ReplicaState::kReady && !member.in_contact;
    if (!suspect || now - member.lost_since < options_.suspect) continue;
    const bool replaceable =
        std::any_of(members_.begin(), members_.end(), [&slot = slot](const auto& other) {
          return other.first.index == slot.index && other.first.generation == slot.generation &&
                 other.first.shard == slot.shard && other.second.in_contact &&
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
  std::erase_if(members_, [](const auto& entry) {
    return entry.second.leaving && entry.second.view.pid == 0;
  });
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
