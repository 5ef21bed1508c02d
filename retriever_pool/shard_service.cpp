#include "retriever_pool/shard_service.hpp"

#include <algorithm>

#include "retriever_pool/detail/sockets.hpp"
#include "retriever_pool/documents.hpp"

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

Refusal refusal(wire::ErrorCode code, std::string text) {
  return {code, std::move(text), std::chrono::milliseconds{0}};
}

}  // namespace

ShardService::ShardService(std::shared_ptr<const index_tools::SnapshotShard> shard,
                           std::shared_ptr<const ShardIndex> index, ServiceIdentity identity)
    : shard_(std::move(shard)), index_(std::move(index)), identity_(std::move(identity)) {}

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
  if (query.dimension != static_cast<std::uint32_t>(index_->dimension())) {
    throw wire::WireError(wire::ErrorCode::kInvalid,
                          "queries: expected [batch, " + std::to_string(index_->dimension()) +
                              "], got dimension " + std::to_string(query.dimension));
  }
  try {
    check_queries(query.queries, static_cast<std::int32_t>(query.k), index_->dimension());
  } catch (const RetrievalError& error) {
    throw wire::WireError(wire::ErrorCode::kInvalid, error.what());
  }
}

ServiceResult ShardService::serve(std::span<const PendingRequest> requests,
                                  const QueryServerLoad& load) const {
  ServiceResult result;
  const auto begin = Clock::now();
  SearchBatch batch;
  batch.k = 1;
  batch.deadline = begin;
  std::vector<float> queries;
  for (const PendingRequest& request : requests) {
    if (request.header.type != wire::Type::kQuery) continue;
    queries.insert(queries.end(), request.body.queries.begin(), request.body.queries.end());
    batch.k = std::max(batch.k, static_cast<std::int32_t>(request.body.k));
    batch.deadline = std::max(batch.deadline, request.deadline);
    result.queries += request.body.batch;
  }
  HitRows hits;
  std::optional<Refusal> failure;
  if (result.queries > 0) {
    batch.queries = queries;
    try {
      // Merging may exceed the limit of one request's batch, so the index is asked in pieces.
      const auto dimension = static_cast<std::size_t>(index_->dimension());
      const std::size_t piece = static_cast<std::size_t>(kBatchMax) * dimension;
      for (std::size_t at = 0; at < queries.size(); at += piece) {
        SearchBatch part = batch;
        part.queries = batch.queries.subspan(at, std::min(piece, queries.size() - at));
        for (auto& row : index_->search(part)) hits.push_back(std::move(row));
      }
    } catch (const RetrievalError& error) {
      failure = refusal(code_of(error.fault()), error.what());
    } catch (const std::exception& error) {
      failure = refusal(wire::ErrorCode::kInternal, error.what());
    }
  }
  const microseconds search_time = elapsed(begin, Clock::now());
  std::size_t next = 0;
  for (const PendingRequest& request : requests) {
    if (request.header.type == wire::Type::kPing) {
      result.replies.push_back(
          message(request, wire::Type::kPong,
                  wire::encode_pong({static_cast<std::uint64_t>(load.queue),
                                     static_cast<std::uint64_t>(load.served),
                                     static_cast<std::uint64_t>(load.refused)})));
    } else if (failure) {
      result.replies.push_back(error_reply(request, *failure));
    } else {
      const auto rows = std::span(hits).subspan(next, request.body.batch);
      next += request.body.batch;
      result.replies.push_back(answer(request, rows, search_time, begin));
    }
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
  const DocumentFields fields{request.body.want_passages, request.body.want_vectors};
  wire::AnswerBody body;
  body.search_us = static_cast<std::uint64_t>(search_time.count());
  body.queue_us = static_cast<std::uint64_t>(elapsed(request.arrived, begin).count());
  body.rows.resize(rows.size());
  std::int64_t bytes = 0;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    const std::size_t count = std::min<std::size_t>(rows[row].size(), request.body.k);
    for (const Hit& hit : std::span(rows[row]).first(count)) {
      bytes += document_bytes(*shard_, hit, fields) + 24;
      if (bytes > wire::kAnswerBytesMax - 65536) {
        return error_reply(
            request, refusal(wire::ErrorCode::kTooLarge,
                             "the answer would be larger than 256 MiB; ask for fewer queries, "
                             "documents or fields at a time"));
      }
      body.rows[row].push_back(make_document(*shard_, hit, fields));
    }
  }
  ServiceReply reply =
      message(request, wire::Type::kAnswer,
              wire::encode_answer(body, {fields.passages, fields.vectors, shard_->dimension()}));
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
