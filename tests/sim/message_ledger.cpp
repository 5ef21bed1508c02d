#include "message_ledger.hpp"

namespace rookery::retriever_pool::testing {
namespace {

std::string name_of(std::uint64_t call) { return "call " + std::to_string(call); }

}  // namespace

bool MessageLedger::is_open(const Part& part) const {
  const auto [call, shard] = part;
  for (auto item = open_.lower_bound({call, 0}); item != open_.end(); ++item) {
    if (item->first.first != call) break;
    if (item->second == shard) return true;
  }
  return false;
}

void MessageLedger::sent(AttemptId id, std::int32_t shard) {
  if (!open_.emplace(id, shard).second) lie_(name_of(id.first) + " used a number twice");
  lost_.erase({id.first, shard});
}

void MessageLedger::over(const AttemptReport& report, Time now) {
  const Part part{report.id.first, report.shard};
  if (open_.erase(report.id) == 0) {
    lie_("message " + std::to_string(report.id.second) + " of " + name_of(part.first) +
         " ended twice");
  }
  if (report.end == AttemptEnd::kFailed) failed_.insert(part);
  // One that was silent before, or refused, may have to wait for a token.
  const bool at_once = report.kind == AttemptKind::kFirst && !failed_.contains(part) &&
                       now < report.sent + attempt_timeout_;
  if (report.end == AttemptEnd::kLost && at_once && !is_open(part)) lost_.insert(part);
}

void MessageLedger::call_over(std::uint64_t call) {
  const auto open = open_.lower_bound({call, 0});
  if (open != open_.end() && open->first.first == call) {
    lie_(name_of(call) + " left a message open");
  }
  const auto of_call = [call](const Part& part) { return part.first == call; };
  std::erase_if(lost_, of_call);
  std::erase_if(failed_, of_call);
}

void MessageLedger::stepped(const std::function<bool(std::int32_t shard)>& askable) {
  for (const auto& [call, shard] : lost_) {
    if (askable(shard)) lie_(name_of(call) + " lost its replica and was not asked again");
  }
  lost_.clear();
}

}  // namespace rookery::retriever_pool::testing
