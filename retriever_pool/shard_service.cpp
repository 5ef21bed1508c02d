#include "retriever_pool/shard_service.hpp"

#include <algorithm>
#include <numeric>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "retriever_pool/detail/few_bytes_hash.hpp"
#include "retriever_pool/detail/sockets.hpp"
#include "retriever_pool/documents.hpp"
#include "retriever_pool/request_checks.hpp"

namespace rookery::retriever_pool {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::microseconds;

constexpr std::chrono::seconds kRehearsal{10};
constexpr std::uint32_t kRehearsedDocuments = 10;
constexpr std::size_t kRehearsedBytes = 200;

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

/// Numbers queries by their bytes. What is added must stay where it is.
class DistinctQueries {
 public:
  /// The number of this query, and whether it is the first of its kind.
  std::pair<std::size_t, bool> add(std::string_view bytes) {
    const auto [found, fresh] = numbers_.try_emplace(bytes, numbers_.size());
    return {found->second, fresh};
  }
  [[nodiscard]] std::size_t count() const { return numbers_.size(); }

 private:
  std::unordered_map<std::string_view, std::size_t, detail::FewBytesHash> numbers_;
};

}  // namespace

/// `members` index into the requests of one call of `serve`.
struct ShardService::Scan {
  bool look_up = false;
  index_tools::IndexKind kind = index_tools::IndexKind::kExact;
  SearchTuning tuning;
  std::shared_ptr<const RowSet> rows;
  std::int32_t k = 1;
  std::vector<std::size_t> members;

  HitRows hits;                     // of all different queries
  std::vector<std::size_t> places;  // in `hits`, of all members' queries in their order
  Clock::time_point begin;
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

std::uint8_t ShardService::check_query(const wire::QueryBody& query) const {
  if (query.dimension != 0 && index_.dimension != 0 &&
      query.dimension != static_cast<std::uint32_t>(index_.dimension)) {
    throw wire::WireError(wire::ErrorCode::kInvalid,
                          "queries: expected [batch, " + std::to_string(index_.dimension) +
                              "], got dimension " + std::to_string(query.dimension));
  }
  try {
    check_request(query.request(), index_);
    if (!query.ids.empty()) return 0;
    return static_cast<std::uint8_t>(indexes_->kind_for(query.kind, !query.texts.empty()));
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
  const auto priority = [&](const Scan& scan) {
    Priority best = Priority::kPrefetch;
    for (const std::size_t i : scan.members) best = std::min(best, requests[i].priority());
    return best;
  };
  std::stable_sort(scans.begin(), scans.end(), [&](const Scan& a, const Scan& b) {
    return std::pair(!a.look_up, priority(a)) < std::pair(!b.look_up, priority(b));
  });
  return scans;
}

void ShardService::search(std::span<const PendingRequest> requests, Scan& scan) const {
  static const PassageFilter kNoFilter;
  if (scan.look_up) {
    const wire::QueryBody& query = requests[scan.members.front()].body;
    scan.hits = indexes_->look_up(query.ids, query.filter ? *query.filter : kNoFilter);
    scan.places.resize(scan.hits.size());
    std::iota(scan.places.begin(), scan.places.end(), std::size_t{0});
    return;
  }
  SearchBatch batch;
  batch.k = scan.k;
  batch.deadline = Clock::time_point::min();
  batch.tuning = scan.tuning;
  batch.rows = scan.rows;
  std::vector<float> queries;
  std::vector<std::string> texts;
  const auto width = static_cast<std::size_t>(index_.dimension);
  DistinctQueries distinct;
  for (const std::size_t member : scan.members) {
    const wire::QueryBody& body = requests[member].body;
    for (std::size_t at = 0; at < body.queries.size(); at += width) {
      const std::span<const float> query = std::span(body.queries).subspan(at, width);
      const auto [place, fresh] =
          distinct.add({reinterpret_cast<const char*>(query.data()), query.size_bytes()});
      if (fresh) queries.insert(queries.end(), query.begin(), query.end());
      scan.places.push_back(place);
    }
    for (const std::string& text : body.texts) {
      const auto [place, fresh] = distinct.add(text);
      if (fresh) texts.push_back(text);
      scan.places.push_back(place);
    }
    batch.deadline = std::max(batch.deadline, requests[member].deadline);
  }
  // Merging may exceed the limit of one request's batch, so the index is asked in pieces.
  const ShardIndex& index = indexes_->index(scan.kind);
  const std::size_t total = distinct.count();
  for (std::size_t at = 0; at < total; at += static_cast<std::size_t>(kBatchMax)) {
    const std::size_t count = std::min(static_cast<std::size_t>(kBatchMax), total - at);
    SearchBatch part = batch;
    if (texts.empty()) {
      part.queries = std::span(queries).subspan(at * width, count * width);
    } else {
      part.texts = std::span(texts).subspan(at, count);
    }
    for (auto& row : index.search(part)) scan.hits.push_back(std::move(row));
  }
}

void ShardService::run(std::span<const PendingRequest> requests, Scan& scan) const {
  try {
    search(requests, scan);
  } catch (const RetrievalError& error) {
    scan.failure = refusal(code_of(error.fault()), error.what());
  } catch (const std::exception& error) {
    scan.failure = refusal(wire::ErrorCode::kInternal, error.what());
  }
  scan.took = elapsed(scan.begin, Clock::now());
}

std::vector<ServiceScan> ShardService::serve(std::span<const PendingRequest> requests,
                                             const QueryServerLoad& load,
                                             const std::function<void(ServiceReply)>& reply) const {
  for (const PendingRequest& request : requests) {
    if (request.header.type != wire::Type::kPing) continue;
    reply(message(request, wire::Type::kPong,
                  wire::encode_pong({static_cast<std::uint64_t>(load.queue),
                                     static_cast<std::uint64_t>(load.served),
                                     static_cast<std::uint64_t>(load.refused)}),
                  wire::Dtype::kFloat32));
  }
  std::vector<ServiceScan> done;
  for (Scan& scan : plan(requests)) {
    scan.begin = Clock::now();
    if (!scan.failure) run(requests, scan);
    ServiceScan report;
    std::size_t next = 0;
    for (const std::size_t member : scan.members) {
      const PendingRequest& request = requests[member];
      reply(scan.failure ? error_reply(request, *scan.failure) : answer(request, scan, next));
      next += request.body.batch;
      report.waits.push_back(elapsed(request.arrived, scan.begin));
    }
    report.kind = scan.look_up ? "look_up" : index_tools::to_string(scan.kind);
    report.cost_class = scan.look_up ? 0 : static_cast<std::size_t>(scan.kind);
    report.requests = std::ssize(scan.members);
    report.queries = static_cast<std::int64_t>(next);
    if (!scan.failure) report.repeated = std::ssize(scan.places) - std::ssize(scan.hits);
    report.begin = scan.begin;
    report.took = scan.took;
    done.push_back(std::move(report));
  }
  return done;
}

void ShardService::rehearse() const {
  const index_tools::SnapshotShard& shard = indexes_->shard();
  if (shard.count() == 0) return;
  const bool dense = shard.dimension() > 0;
  Document row;
  fill_document(shard, 0, {!dense, dense, false}, row);
  PendingRequest request;
  request.header.type = wire::Type::kQuery;
  request.deadline = Clock::now() + kRehearsal;
  wire::QueryBody& query = request.body;
  query.batch = 1;
  query.k = kRehearsedDocuments;
  query.dimension = static_cast<std::uint32_t>(shard.dimension());
  if (dense) {
    query.queries = std::move(row.vector);
  } else {
    const std::string text = row.title + " " + row.text;
    query.texts = {text.substr(0, text.find(' ', kRehearsedBytes))};
  }
  (void)serve(std::span(&request, 1), {}, [](const ServiceReply&) {});
}

ServiceReply ShardService::answer(const PendingRequest& request, const Scan& scan,
                                  std::size_t first) const {
  if (Clock::now() >= request.deadline) {
    return error_reply(
        request, refusal(wire::ErrorCode::kDeadline, "the deadline passed during the search"));
  }
  const index_tools::SnapshotShard& shard = indexes_->shard();
  const DocumentFields fields{request.body.want_passages, request.body.want_vectors,
                              request.body.float16_vectors};
  wire::AnswerBody body;
  body.search_us = static_cast<std::uint64_t>(scan.took.count());
  body.queue_us = static_cast<std::uint64_t>(elapsed(request.arrived, scan.begin).count());
  body.rows.resize(request.body.batch);
  std::int64_t bytes = 0;
  for (std::size_t row = 0; row < body.rows.size(); ++row) {
    const std::vector<Hit>& hits = scan.hits[scan.places[first + row]];
    const std::size_t count = std::min<std::size_t>(hits.size(), request.body.k);
    body.rows[row].reserve(count);
    for (const Hit& hit : std::span(hits).first(count)) {
      bytes += document_bytes(shard, hit, fields) + 24;
      if (bytes > wire::kAnswerBytesMax - 65536) {
        return error_reply(
            request, refusal(wire::ErrorCode::kTooLarge,
                             "the answer would be larger than 256 MiB; ask for fewer queries, "
                             "documents or fields at a time"));
      }
      try {
        body.rows[row].push_back(make_document(shard, hit, fields));
      } catch (const RetrievalError& error) {  // a vector that float16 cannot hold
        return error_reply(request, refusal(code_of(error.fault()), error.what()));
      }
    }
  }
  wire::AnswerShape shape{fields.passages, fields.vectors, shard.dimension()};
  shape.values = !shard.values().empty();
  shape.float16 = fields.vectors && fields.float16;
  ServiceReply reply = message(request, wire::Type::kAnswer, wire::encode_answer(body, shape),
                               shape.float16 ? wire::Dtype::kFloat16 : wire::Dtype::kFloat32);
  reply.query = true;
  return reply;
}

ServiceReply ShardService::sample_reply(const PendingRequest& request, std::uint32_t count,
                                        const QuerySample& sample) const {
  return message(request, wire::Type::kSampleAnswer,
                 sample.encode(static_cast<std::int32_t>(count)), wire::Dtype::kFloat32);
}

ServiceReply ShardService::error_reply(const PendingRequest& request,
                                       const Refusal& refusal) const {
  ServiceReply reply = message(
      request, wire::Type::kError,
      wire::encode_error(
          {refusal.code, static_cast<std::uint32_t>(refusal.retry_after.count()), refusal.text}),
      wire::Dtype::kFloat32);
  reply.error = refusal.code;
  return reply;
}

ServiceReply ShardService::message(const PendingRequest& request, wire::Type type, std::string body,
                                   wire::Dtype dtype) const {
  wire::Header header;
  header.type = type;
  header.dtype = dtype;
  header.attempt = request.header.attempt;
  header.request = request.header.request;
  header.trace = request.header.trace;
  header.index = identity_.index_name;
  header.generation = identity_.generation;
  if (type == wire::Type::kAnswer) header.coverage = wire::Coverage::kComplete;
  std::string frame = wire::encode_header(header, detail::bytes_of(body));
  return {request.client, std::move(frame),  std::move(body), std::nullopt,
          false,          request.priority()};
}

}  // namespace rookery::retriever_pool
