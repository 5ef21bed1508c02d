#include "actors/swap_runner.hpp"

#include <algorithm>
#include <cstdio>
#include <set>
#include <utility>
#include <vector>

#include "actors/head_setup.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "index_tools/retention.hpp"
#include "index_tools/snapshot.hpp"

namespace rookery::actors {

namespace fs = std::filesystem;
using retriever_pool::GenerationRole;

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kBeat = 100ms;    // while a swap is under way
constexpr auto kTend = 1'000ms;  // retired generations are looked at so often
constexpr int kAccepted = 202, kBad = 400, kUnknown = 404, kBusy = 409;
constexpr std::size_t kGenerationsMax = 8;  // of an index, served at once

std::string figure(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3f", value);
  return text;
}

/// Why clients of `live` could not ask `fresh`; empty when they can.
std::string misfit(const retriever_pool::IndexDescription& live,
                   const retriever_pool::IndexDescription& fresh) {
  const auto differs = [](const std::string& what, const std::string& wanted,
                          const std::string& got) {
    return "the live generation's clients need " + what + " " + wanted + ", but it has " + got;
  };
  if (fresh.dimension != live.dimension) {
    return differs("vectors of dimension", std::to_string(live.dimension),
                   std::to_string(fresh.dimension));
  }
  if (fresh.metric != live.metric) return differs("the metric", live.metric, fresh.metric);
  if (fresh.encoder_hash != live.encoder_hash || fresh.pooling != live.pooling ||
      fresh.normalised != live.normalised) {
    return differs(
        "the encoder", live.encoder_name + " " + live.encoder_hash.substr(0, 12),
        fresh.encoder_name + " " + fresh.encoder_hash.substr(0, 12) + " (" + fresh.pooling + ")");
  }
  for (const auto kind : live.kinds) {
    if (std::find(fresh.kinds.begin(), fresh.kinds.end(), kind) == fresh.kinds.end()) {
      return "the live generation answers by the kind " + index_tools::to_string(kind) +
             ", which it lacks; add it with: rookery index add SNAPSHOT --index " +
             index_tools::to_string(kind);
    }
  }
  return "";
}

bool is_approximate(index_tools::IndexKind kind) {
  return kind == index_tools::IndexKind::kHnsw || kind == index_tools::IndexKind::kIvfPq;
}

}  // namespace

SwapRunner::SwapRunner(ColonyControl colony, std::shared_ptr<const StatusBoard> board,
                       const retriever_pool::LeaseDesk& leases, SwapRunnerOptions options)
    : colony_(std::move(colony)),
      board_(std::move(board)),
      leases_(leases),
      options_(std::move(options)),
      thread_([this] { run(); }) {}

SwapRunner::~SwapRunner() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

const retriever_pool::SwapOptions& SwapRunner::options_of(const std::string& index) const {
  static const retriever_pool::SwapOptions kDefaults;
  const auto found = options_.indexes.find(index);
  return found == options_.indexes.end() ? kDefaults : found->second;
}

AdminReply SwapRunner::order(const AdminRequest& request) {
  try {
    const auto wanted = colony_.wanted();
    const auto* index = wanted.find(request.index);
    if (index == nullptr) return {kUnknown, "the colony has no index '" + request.index + "'"};
    return request.action == "rollback" ? order_rollback(*index) : order_swap(request, *index);
  } catch (const base::UserError& error) {
    return {kBad, error.what()};
  } catch (const std::exception& error) {
    return {kBusy, error.what()};
  }
}

AdminReply SwapRunner::order_swap(const AdminRequest& request, const WantedIndex& index) {
  if (request.snapshot.empty()) return {kBad, "a swap needs a snapshot, NAME or NAME/GENERATION"};
  const double recall_min = request.recall_min.value_or(options_of(index.name).recall_min);
  if (!(recall_min >= 0 && recall_min <= 1)) return {kBad, "recall_min must be in [0, 1]"};
  auto fresh = describe_generation(request.snapshot, index.settings, "index.kind");
  const auto* live = index.live();
  if (live == nullptr) return {kBusy, "index '" + index.name + "' has no live generation"};
  if (live->generation == fresh.generation) {
    return {kBad, "generation " + fresh.generation +
                      " is live already; name another one as NAME/GENERATION"};
  }
  if (const auto why = misfit(live->description, fresh.description); !why.empty()) {
    return {kBad, "generation " + fresh.generation + " is refused: " + why};
  }
  if (index.find(fresh.generation) == nullptr && index.generations.size() >= kGenerationsMax) {
    return {kBusy, std::to_string(index.generations.size()) +
                       " generations are served already, because clients hold leases on them"};
  }
  return begin("swap", index, std::move(fresh), recall_min, true);
}

AdminReply SwapRunner::order_rollback(const WantedIndex& index) {
  const auto* live = index.live();
  const std::string now = live == nullptr ? "" : live->generation;
  for (auto known = index.generations.rbegin(); known != index.generations.rend(); ++known) {
    if (known->role == GenerationRole::kRetired) return begin("rollback", index, *known, 0, false);
  }
  std::optional<WantedGeneration> before;
  {
    const std::lock_guard lock(mutex_);
    const auto found = previous_.find(index.name);
    if (found != previous_.end() && found->second.generation != now) before = found->second;
  }
  if (!before) {
    return {kUnknown,
            "there is no generation before this one that the head knows of; name one: rookery "
            "swap COLONY NAME/GENERATION"};
  }
  auto fresh = describe_generation(before->snapshot, index.settings, "index.kind");
  if (fresh.generation != before->generation) {
    return {kUnknown, before->snapshot + " is another generation now"};
  }
  return begin("rollback", index, std::move(fresh), 0, false);
}

AdminReply SwapRunner::begin(const std::string& action, const WantedIndex& index,
                             WantedGeneration fresh, double recall_min, bool compared) {
  const auto id = std::make_shared<std::int64_t>(0);
  const std::string name = index.name;
  const auto manifest = index_tools::load_manifest(fresh.snapshot);
  const auto reply = colony_.apply([id, name, action](ColonyPlan& plan) -> AdminReply {
    if (plan.busy(name)) {
      return {kBusy, "something else is under way for index '" + name + "'; see rookery status"};
    }
    *id = plan.begin_operation(action, name);
    return {kAccepted, ""};
  });
  if (reply.status != kAccepted) return reply;
  const std::string generation = fresh.generation;
  Operation operation;
  operation.id = *id;
  operation.action = action;
  operation.index = name;
  operation.of = 5;
  auto swap = std::make_unique<Swap>(
      Swap{SwapPlan({name, generation, recall_min}, options_.times, Clock::now()), std::move(fresh),
           *index.live(), operation, manifest.next_id, compared});
  {
    const std::lock_guard lock(mutex_);
    swaps_[name] = std::move(swap);
  }
  wake_.notify_all();
  return {kAccepted,
          action + " of index '" + name + "' to generation " + generation + " has begun"};
}

void SwapRunner::run() {
  auto next_tend = Clock::now();
  while (true) {
    std::vector<Swap*> active;
    {
      std::unique_lock lock(mutex_);
      const auto wait = swaps_.empty() ? kTend : kBeat;
      wake_.wait_for(lock, wait,
                     [&, known = swaps_.size()] { return closing_ || swaps_.size() > known; });
      if (closing_) return;
      for (const auto& [index, swap] : swaps_) active.push_back(swap.get());
    }
    // Only this thread ends swaps, so they may be used without the lock.
    for (Swap* swap : active) {
      step(*swap);
      if (!swap->plan.over()) continue;
      finish(*swap);
      std::unique_ptr<Swap> over;
      {
        const std::lock_guard lock(mutex_);
        over = std::move(swaps_.at(swap->operation.index));
        swaps_.erase(over->operation.index);
      }
      show(*over);  // the index is free for the next one from here on
    }
    if (Clock::now() < next_tend) continue;
    next_tend = Clock::now() + kTend;
    try {
      tend();
    } catch (const std::exception& error) {
      base::logger("actors")->warn("head: {}", error.what());
    }
  }
}

SwapSight SwapRunner::look(const Swap& swap, const WantedState& wanted) const {
  SwapSight sight;
  const auto& target = swap.plan.target();
  const auto* index = wanted.find(target.index);
  const auto* generation = index == nullptr ? nullptr : index->find(target.generation);
  if (generation == nullptr) return sight;
  sight.wanted = true;
  sight.role = generation->role;
  const auto view = board_->view();
  const auto* seen = view.find(target.index, target.generation);
  sight.complete = seen != nullptr && view.complete(*seen);
  for (const auto& [slot, state] : board_->node_states()) {
    if (slot.index != target.index || slot.generation != target.generation || state.serving) {
      continue;
    }
    if (!state.crash_loop && state.reason.empty()) continue;
    const auto node = wanted.nodes.find(slot);
    const std::string name = node == wanted.nodes.end() ? "a node" : node->second.name();
    sight.trouble = name + ": " + (state.reason.empty() ? "it ends again and again" : state.reason);
  }
  return sight;
}

void SwapRunner::step(Swap& swap) {
  try {
    const auto wanted = colony_.wanted();
    act(swap, swap.plan.step(look(swap, wanted), Clock::now()), wanted);
  } catch (const std::exception& error) {
    // An order that the supervisor refused, or a node that could not answer.
    swap.plan.fail(error.what(), Clock::now());
  }
  if (!swap.plan.over()) show(swap);
}

void SwapRunner::act(Swap& swap, SwapPlan::Action action, const WantedState& wanted) {
  const auto& target = swap.plan.target();
  switch (action) {
    case SwapPlan::Action::kAdd:
      colony_.add_generation(target.index, swap.fresh);
      break;
    case SwapPlan::Action::kWarmUp:
      warm(swap);
      break;
    case SwapPlan::Action::kCompare:
      compare(swap);
      break;
    case SwapPlan::Action::kMakeLive:
      if (const auto* live = wanted.find(target.index)->live()) swap.before = *live;
      colony_.make_live(target.index, target.generation);
      break;
    case SwapPlan::Action::kRemove:
      colony_.remove_generation(target.index, target.generation);
      break;
    case SwapPlan::Action::kWait:
      break;
  }
}

void SwapRunner::warm(Swap& swap) {
  const auto view = board_->view();
  const auto* fresh = view.find(swap.plan.target().index, swap.plan.target().generation);
  if (fresh == nullptr) return;  // not in the view yet: the next step tries again
  swap.queries = retriever_pool::stored_queries(view, *fresh, swap.next_id, options_.warm_up);
  swap.answers = retriever_pool::warm_up(view, *fresh, swap.queries, options_.warm_up);
  swap.plan.warmed(Clock::now());
}

void SwapRunner::compare(Swap& swap) {
  if (!swap.compared) {
    swap.plan.compared(std::nullopt, Clock::now());
    return;
  }
  const auto& target = swap.plan.target();
  const auto view = board_->view();
  const auto* fresh = view.find(target.index, target.generation);
  const auto* live = view.live(target.index);
  std::optional<double> share, own;
  std::string trouble;
  try {
    if (live != nullptr) {
      share = retriever_pool::recall(
          swap.answers,
          retriever_pool::ask_once(view, *live, swap.queries, std::nullopt, options_.warm_up));
    }
    const auto exact = index_tools::IndexKind::kExact;
    if (fresh != nullptr && is_approximate(fresh->index.default_kind) &&
        !swap.queries.query.queries.empty() &&
        std::count(fresh->index.kinds.begin(), fresh->index.kinds.end(), exact) > 0) {
      own = retriever_pool::recall(
          swap.answers,
          retriever_pool::ask_once(view, *fresh, swap.queries, exact, options_.warm_up));
    }
  } catch (const retriever_pool::RetrievalError& error) {
    trouble = std::string("; ") + error.what();
  }
  swap.figures = "recall " + (share ? figure(*share) : "unknown") + " of generation " +
                 swap.before.generation + "'s answers to " +
                 std::to_string(swap.queries.query.batch) +
                 (swap.queries.asked ? " queries of clients" : " passages as queries") +
                 (own ? ", " + figure(*own) + " of its own exact ones" : "") + trouble;
  swap.plan.compared(share, Clock::now());
}

void SwapRunner::show(Swap& swap) {
  auto& operation = swap.operation;
  const auto before = operation;
  const auto& plan = swap.plan;
  const std::string generation = plan.target().generation;
  if (plan.phase() == SwapPhase::kDone) {
    operation.state = "done";
    operation.step = operation.of;
    operation.text = "generation " + generation + " is live" +
                     (swap.figures.empty() ? "" : ": " + swap.figures) + "; generation " +
                     swap.before.generation + " is retired";
  } else if (plan.phase() == SwapPhase::kRolledBack || plan.phase() == SwapPhase::kRollingBack) {
    if (plan.over()) operation.state = "failed";
    operation.text =
        "rolled back, generation " + swap.before.generation + " stays live: " + plan.reason();
  } else {
    operation.step = static_cast<std::int32_t>(plan.phase());
    operation.text = "generation " + generation + ": " + to_string(plan.phase()) +
                     (swap.figures.empty() ? "" : " · " + swap.figures);
  }
  if (operation == before) return;
  base::logger("actors")->info("head: {} of index {}: {}", operation.action, operation.index,
                               operation.text);
  (void)colony_.apply([operation](ColonyPlan& colony) -> AdminReply {
    colony.report(operation);
    return {kAccepted, ""};
  });
}

void SwapRunner::point_back(const WantedIndex& index, const std::string& refused) {
  const auto* live = index.live();
  if (live == nullptr || live->generation == refused) return;
  try {
    const fs::path folder = fs::path(live->snapshot).parent_path();
    std::error_code error;
    if (!fs::equivalent(index.path, folder, error) || error) return;
    // A generation that was built since then is none of ours.
    if (index_tools::resolve_generation(folder).filename() != refused) return;
    index_tools::set_current_generation(folder, live->generation);
    base::logger("actors")->info("head: CURRENT of {} names {} again, not {}", folder.string(),
                                 live->generation, refused);
  } catch (const std::exception& problem) {
    base::logger("actors")->warn("head: {}", problem.what());
  }
}

void SwapRunner::finish(Swap& swap) {
  if (swap.plan.phase() == SwapPhase::kRolledBack) {
    const auto wanted = colony_.wanted();
    if (const auto* index = wanted.find(swap.plan.target().index)) {
      point_back(*index, swap.plan.target().generation);
    }
    return;
  }
  if (swap.plan.phase() != SwapPhase::kDone) return;
  {
    const std::lock_guard lock(mutex_);
    previous_[swap.plan.target().index] = swap.before;
  }
  try {
    const auto wanted = colony_.wanted();
    const auto* index = wanted.find(swap.plan.target().index);
    if (index == nullptr) return;
    const fs::path folder = swap.fresh.snapshot;
    std::error_code error;
    // The file names the snapshot, so that `down` and `up` come back with this generation.
    if (fs::equivalent(index->path, folder.parent_path(), error) && !error) {
      index_tools::set_current_generation(folder.parent_path(), swap.fresh.generation);
    }
    clean_up(wanted, *index);
  } catch (const std::exception& problem) {
    base::logger("actors")->warn("head: {}", problem.what());
  }
}

void SwapRunner::tend() {
  const auto wanted = colony_.wanted();
  const auto now = Clock::now();
  std::set<std::pair<std::string, std::string>> targets;
  std::set<std::string> swapping;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, swap] : swaps_) {
      targets.emplace(name, swap->plan.target().generation);
      swapping.insert(name);
    }
  }
  for (const auto& operation : wanted.operations) {
    const bool ours = operation.action == "swap" || operation.action == "rollback";
    if (!ours || operation.state != "running" || swapping.contains(operation.index)) continue;
    auto ended = operation;
    ended.state = "failed";
    ended.text = "the head ended in the middle of it (" + operation.text + ")";
    (void)colony_.apply([ended](ColonyPlan& plan) -> AdminReply {
      plan.report(ended);
      return {kAccepted, ""};
    });
  }
  for (const auto& index : wanted.indexes) {
    std::vector<GenerationState> states;
    std::vector<RetiredSight> retired;
    for (const auto& known : index.generations) {
      const bool needed = targets.contains({index.name, known.generation});
      if (!needed) states.push_back({known.generation, known.role});
      if (known.role == GenerationRole::kRetired) {
        retired.push_back(
            {index.name, known.generation, leases_.in_use(index.name, known.generation), needed});
      }
    }
    auto& retirement =
        retirements_.try_emplace(index.name, options_of(index.name).retain).first->second;
    std::vector<std::string> ends = left_by_a_crash(states);
    for (const auto& generation : ends) point_back(index, generation);
    for (const auto& [name, generation] : retirement.due(retired, now)) ends.push_back(generation);
    for (const auto& generation : ends) {
      base::logger("actors")->info("head: generation {} of index {} is served no more", generation,
                                   index.name);
      colony_.remove_generation(index.name, generation);
    }
    if (!ends.empty()) clean_up(colony_.wanted(), index);
  }
}

void SwapRunner::clean_up(const WantedState& wanted, const WantedIndex& index) {
  const auto* live = index.live();
  const auto keep = options_of(index.name).keep_generations;
  if (live == nullptr || keep <= 0) return;
  const fs::path name = fs::path(live->snapshot).parent_path();
  std::error_code error;
  if (!fs::exists(name / "CURRENT", error)) return;  // no folder of generations
  std::set<std::string> in_use;
  const auto protect = [&](const WantedState& state) {
    for (const auto& known : state.indexes) {
      for (const auto& generation : known.generations) {
        const fs::path folder = generation.snapshot;
        if (folder.parent_path() == name) in_use.insert(folder.filename().string());
      }
    }
  };
  protect(wanted);
  for (const auto& entry : fs::directory_iterator(options_.colonies, error)) {
    if (const auto other = WantedState::load(entry.path() / "wanted.json")) protect(*other);
  }
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [other, swap] : swaps_) in_use.insert(swap->fresh.generation);
  }
  for (const auto& generation : index_tools::remove_old_generations(name, keep, in_use)) {
    base::logger("actors")->info("head: removed generation {} of {}, {} are kept", generation,
                                 name.string(), keep);
  }
}

}  // namespace rookery::actors
