#include "retriever_pool/shard_service.hpp"

#include <algorithm>

#include "retriever_pool/detail/sockets.hpp"
#include "retriever_pool/documents.hpp"
#include "retriever_pool/request_checks.hpp"

namespace rookery::retriever_pool {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::microseconds;

microseconds elapsed(Clock::time_point begin, Clock::time_point end) {
  return std::chrono::duration_cast<microseconds>(end - begin);
}

wire::ErrorCode code_of(RetrievalFault fault) {
  switch (fault) {
    case RetrievalFault::kInvalid:
      return wire::ErrorCode::kInvalid;
    case RetrievalFault::kDeadline:
      return wire::ErrorCode::kDeadline;
    case RetrievalFault::kUnavailable:
      return wire::ErrorCode::kUnavailable;
    case RetrievalFault::kOverloaded:
      return wire::ErrorCode::kOverloaded;
    case RetrievalFault::kInternal:
      break;
  }
  return wire::ErrorCode::kInternal;
}

/// Whose candidates depend on k and tuning.
bool is_approximate(index_tools::IndexKind kind) {
  return kind == index_tools::IndexKind::kHnsw || kind == index_tools::IndexKind::kIvfPq;
}

Refusal refusal(wire::ErrorCode code, std::string text) {
  return {code, std::move(text), std::chrono::milliseconds{0}};
}

}  // namespace

/// `members` index into the requests of one call of `serve`.
struct ShardService::Scan {
  bool look_up = false;
  index_tools::IndexKind kind = index_tools::IndexKind::kExact;
  SearchTuning tuning;
  std::shared_ptr<const RowSet> rows;
  std::int32_t k = 1;
  std::vector<std::size_t> members;

  HitRows hits;  // of all members' queries, in their order
  std::optional<Refusal> failure;
  microseconds took{0};

  [[nodiscard]] bool takes(const Scan& other) const {
    if (look_up || other.look_up) return false;  // costs nothing: nothing is won together
    return kind == other.kind && tuning == other.tuning && rows == other.rows &&
           (k == other.k || !is_approximate(kind));
  }
};

ShardService::ShardService(std::shared_ptr<const ShardIndexes> indexes, const std::string& metric,
                           ServiceIdentity identity)
    : indexes_(std::move(indexes)), identity_(std::move(identity)) {
  index_.metric = metric;
  index_.dimension = indexes_->shard().dimension();
  index_.kinds = indexes_->kinds();
  index_.default_kind = indexes_->default_kind();
}

void ShardService::check_target(const wire::Header& header) const {
  if (!header.generation.empty() && header.generation != identity_.generation) {
    throw wire::WireError(
        wire::ErrorCode::kWrongGeneration,
        "expected generation " + identity_.generation + ", got " + header.generation);
  }
  if (!header.index.empty() && !identity_.index_name.empty() &&
      header.index != identity_.index_name) {
    throw wire::WireError(wire::ErrorCode::kWrongGeneration,
                          "expected index " + identity_.index_name + ", got " + header.index);
  }
}

void ShardService::check_query(const wire::QueryBody& query) const {
  if (query.dimension != 0 && index_.dimension != 0 &&
      query.dimension != static_cast<std::uint32_t>(index_.dimension)) {
    throw wire::WireError(wire::ErrorCode::kInvalid,
                          "queries: expected [batch, " + std::to_string(index_.dimension) +
                              "], got dimension " + std::to_string(query.dimension));
  }
  try {
    check_request(query.request(), index_);
  } catch (const RetrievalError& error) {
    throw wire::WireError(wire::ErrorCode::kInvalid, error.what());
  }
}

std::vector<ShardService::Scan> ShardService::plan(std::span<const PendingRequest> requests) const {
  static const PassageFilter kNoFilter;
  std::vector<Scan> scans;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    if (requests[i].header.type != wire::Type::kQuery) continue;
    const wire::QueryBody& query = requests[i].body;
    Scan scan;
    scan.members = {i};
    try {
      scan.look_up = !query.ids.empty();
      if (!scan.look_up) {
        scan.kind = indexes_->kind_for(query.kind, !query.texts.empty());
        if (is_approximate(scan.kind)) scan.tuning = indexes_->tuning(query.tuning);
        // Equal filters are the same set, because the resolver remembers them.
        scan.rows = indexes_->rows(query.filter ? *query.filter : kNoFilter);
        scan.k = static_cast<std::int32_t>(query.k);
      }
    } catch (const RetrievalError& error) {
      scan.failure = refusal(code_of(error.fault()), error.what());
    } catch (const std::exception& error) {
      scan.failure = refusal(wire::ErrorCode::kInternal, error.what());
    }
    const auto found = std::find_if(scans.begin(), scans.end(), [&](const Scan& other) {
      return !scan.failure && !other.failure && other.takes(scan);
    });
    if (found == scans.end()) {
      scans.push_back(std::move(scan));
    } else {
      found->members.push_back(i);
      found->k = std::max(found->k, scan.k);
    }
  }
  return scans;
}

HitRows ShardService::search(std::span<const PendingRequest> requests, const Scan& scan) const {
  static const PassageFilter kNoFilter;
  if (scan.look_up) {
    const wire::QueryBody& query = requests[scan.members.front()].body;
    return indexes_->look_up(query.ids, query.filter ? *query.filter : kNoFilter);
  }
  SearchBatch batch;
  batch.k = scan.k;
  batch.deadline = Clock::time_point::min();
  batch.tuning = scan.tuning;
  batch.rows = scan.rows;
  std::vector<float> queries;
  std::vector<std::string> texts;
  for (const std::size_t member : scan.members) {
    const PendingRequest& request = requests[member];
    queries.insert(queries.end(), request.body.queries.begin(), request.body.queries.end());
    texts.insert(texts.end(), request.body.texts.begin(), request.body.texts.end());
    batch.deadline = std::max(batch.deadline, request.deadline);
  }
  // Merging may exceed the limit of one request's batch, so the index is asked in pieces.
  const ShardIndex& index = indexes_->index(scan.kind);
  const auto width = texts.empty() ? static_cast<std::size_t>(index_.dimension) : std::size_t{1};
  const std::size_t total = texts.empty() ? queries.size() / width : texts.size();
  HitRows hits;
  for (std::size_t at = 0; at < total; at += static_cast<std::size_t>(kBatchMax)) {
    const std::size_t count = std::min(static_cast<std::size_t>(kBatchMax), total - at);
    SearchBatch part = batch;
    if (texts.empty()) {
      part.queries = std::span(queries).subspan(at * width, count * width);
    } else {
      part.texts = std::span(texts).subspan(at, count);
    }
    for (auto& row : index.search(part)) hits.push_back(std::move(row));
  }
  return hits;
}

void ShardService::run(std::span<const PendingRequest> requests, Scan& scan) const {
  const auto begin = Clock::now();
  try {
    scan.hits = search(requests, scan);
  } catch (const RetrievalError& error) {
    scan.failure = refusal(code_of(error.fault()), error.what());
  } catch (const std::exception& error) {
    scan.failure = refusal(wire::ErrorCode::kInternal, error.what());
  }
  scan.took = elapsed(begin, Clock::now());
}

ServiceResult ShardService::serve(std::span<const PendingRequest> requests,
                                  const QueryServerLoad& load) const {
  const auto begin = Clock::now();
  ServiceResult result;
  result.replies.resize(requests.size());
  for (std::size_t i = 0; i < requests.size(); ++i) {
    if (requests[i].header.type != wire::Type::kPing) continue;
    result.replies[i] = message(requests[i], wire::Type::kPong,
                                wire::encode_pong({static_cast<std::uint64_t>(load.queue),
                                                   static_cast<std::uint64_t>(load.served),
                                                   static_cast<std::uint64_t>(load.refused)}));
  }
  for (Scan& scan : plan(requests)) {
    if (!scan.failure) run(requests, scan);
    std::size_t next = 0;
    for (const std::size_t member : scan.members) {
      const PendingRequest& request = requests[member];
      if (scan.failure) {
        result.replies[member] = error_reply(request, *scan.failure);
        continue;
      }
      const auto rows = std::span(scan.hits).subspan(next, request.body.batch);
      next += request.body.batch;
      result.replies[member] = answer(request, rows, scan.took, begin);
    }
    const std::string kind = scan.look_up ? "look_up" : index_tools::to_string(scan.kind);
    result.scans.push_back({kind, static_cast<std::int64_t>(next), scan.took});
  }
  return result;
}

ServiceReply ShardService::answer(const PendingRequest& request,
                                  std::span<const std::vector<Hit>> rows, microseconds search_time,
                                  Clock::time_point begin) const {
  if (Clock::now() >= request.deadline) {
    return error_reply(
        request, refusal(wire::ErrorCode::kDeadline, "the deadline passed during the search"));
  }
  const index_tools::SnapshotShard& shard = indexes_->shard();
  const DocumentFields fields{request.body.want_passages, request.body.want_vectors};
  wire::AnswerBody body;
  body.search_us = static_cast<std::uint64_t>(search_time.count());
  body.queue_us = static_cast<std::uint64_t>(elapsed(request.arrived, begin).count());
  body.rows.resize(rows.size());
  std::int64_t bytes = 0;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    const std::size_t count = std::min<std::size_t>(rows[row].size(), request.body.k);
    for (const Hit& hit : std::span(rows[row]).first(count)) {
      bytes += document_bytes(shard, hit, fields) + 24;
      if (bytes > wire::kAnswerBytesMax - 65536) {
        return error_reply(
            request, refusal(wire::ErrorCode::kTooLarge,
                             "the answer would be larger than 256 MiB; ask for fewer queries, "
                             "documents or fields at a time"));
      }
      body.rows[row].push_back(make_document(shard, hit, fields));
    }
  }
  wire::AnswerShape shape{fields.passages, fields.vectors, shard.dimension()};
  shape.values = !shard.values().empty();
  ServiceReply reply = message(request, wire::Type::kAnswer, wire::encode_answer(body, shape));
  reply.query = true;
  return reply;
}

ServiceReply ShardService::error_reply(const PendingRequest& request,
                                       const Refusal& refusal) const {
  ServiceReply reply = message(
      request, wire::Type::kError,
      wire::encode_error(
          {refusal.code, static_cast<std::uint32_t>(refusal.retry_after.count()), refusal.text}));
  reply.error = refusal.code;
  return reply;
}

ServiceReply ShardService::message(const PendingRequest& request, wire::Type type,
                                   std::string body) const {
  wire::Header header;
  header.type = type;
  header.attempt = request.header.attempt;
  header.request = request.header.request;
  header.trace = request.header.trace;
  header.index = identity_.index_name;
  header.generation = identity_.generation;
  if (type == wire::Type::kAnswer) header.coverage = wire::Coverage::kComplete;
  std::string frame = wire::encode_header(header, detail::bytes_of(body));
  return {request.client, std::move(frame), std::move(body), std::nullopt, false};
}

}  // namespace rookery::retriever_pool
