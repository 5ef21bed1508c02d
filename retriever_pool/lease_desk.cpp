#include "retriever_pool/lease_desk.hpp"

#include "retriever_pool/wire.hpp"

namespace rookery::retriever_pool {
namespace {

LeaseTable::Time now() { return std::chrono::steady_clock::now(); }

}  // namespace

LeaseDesk::LeaseDesk(LeaseLimits limits) : table_(limits, now()) {}

void LeaseDesk::serve(const RoutingView& view) {
  std::set<std::pair<std::string, std::string>> served;
  for (const GenerationView& generation : view.generations) {
    if (generation.role == GenerationRole::kPreparing) continue;
    served.emplace(generation.index_name, generation.index.generation);
  }
  const GenerationView* live = view.live();
  const std::lock_guard lock(mutex_);
  served_ = std::move(served);
  if (live != nullptr) default_index_ = live->index_name;
}

wire::LeaseBody LeaseDesk::answer(const std::string& index, const std::string& generation,
                                  const wire::LeaseBody& request) {
  const std::lock_guard lock(mutex_);
  if (request.end) {
    table_.end(request.lease);
    return request;
  }
  const std::string& name = index.empty() ? default_index_ : index;
  if (generation.empty() || (served_ && !served_->contains({name, generation}))) {
    throw wire::WireError(wire::ErrorCode::kWrongGeneration,
                          "generation '" + generation + "' is not served");
  }
  switch (table_.take(request.lease, name, generation, request.ttl, now())) {
    case LeaseTable::Outcome::kFull:
      throw wire::WireError(wire::ErrorCode::kOverloaded,
                            "the head keeps " + std::to_string(table_.size()) +
                                " leases already, which is its limit");
    case LeaseTable::Outcome::kOtherGeneration:
      throw wire::WireError(wire::ErrorCode::kInvalid, "this lease is held on another generation");
    case LeaseTable::Outcome::kGranted:
      break;
  }
  wire::LeaseBody granted = request;
  if (granted.ttl.count() <= 0 || granted.ttl > table_.limits().ttl) {
    granted.ttl = table_.limits().ttl;
  }
  return granted;
}

std::int64_t LeaseDesk::count(const std::string& index, const std::string& generation) const {
  const std::lock_guard lock(mutex_);
  return table_.count(index, generation, now());
}

bool LeaseDesk::in_use(const std::string& index, const std::string& generation) const {
  const std::lock_guard lock(mutex_);
  return table_.in_use(index, generation, now());
}

}  // namespace rookery::retriever_pool
