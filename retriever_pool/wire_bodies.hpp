#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "retriever_pool/exact_kernel.hpp"
#include "retriever_pool/retriever.hpp"
#include "retriever_pool/wire.hpp"

namespace rookery::retriever_pool::wire {

// Bodies are plain arrays behind a few counts. Every `decode_…` reads what anyone may have sent: it
// checks each count against its limit and against the bytes that are there before it allocates, and
// throws `WireError` otherwise.

/// u32 batch, u32 dimension, u32 k, u32 flags (1 passages, 2 vectors), f32 `[batch, dimension]`.
struct QueryBody {
  std::uint32_t batch = 0, dimension = 0, k = 0;
  bool want_passages = false, want_vectors = false;
  std::vector<float> queries;
};
std::string encode_query(const RetrievalRequest& request, std::int32_t dimension);
QueryBody decode_query(std::span<const std::byte> body);

/// u32 batch, u32 dimension, u32 flags, u32 zero, u64 search µs, u64 queue µs, u32 counts
/// `[batch]`, i64 ids, f32 scores, with vectors f32 `[hits, dimension]`, with passages u32 lengths
/// `[hits, 3]` and the texts (source id, title, text).
struct AnswerBody {
  std::uint64_t search_us = 0, queue_us = 0;
  std::vector<std::vector<Document>> rows;
};
struct AnswerShape {
  bool passages = false, vectors = false;
  std::int32_t dimension = 0;
};
/// Bytes that `encode_answer` will take.
std::int64_t answer_bytes(const AnswerBody& answer, const AnswerShape& shape);
std::string encode_answer(const AnswerBody& answer, const AnswerShape& shape);
/// Refuses also rows that are out of order, scores that are no numbers and more than `k_max` hits
/// in a row.
AnswerBody decode_answer(std::span<const std::byte> body, std::uint32_t batch, std::uint32_t k_max,
                         const AnswerShape& shape);

/// u32 code, u32 retry after ms, u32 bytes, text.
struct ErrorBody {
  ErrorCode code = ErrorCode::kInternal;
  std::uint32_t retry_after_ms = 0;
  std::string text;
};
std::string encode_error(const ErrorBody& error);
ErrorBody decode_error(std::span<const std::byte> body);

/// u64 queue, u64 served, u64 refused.
struct PongBody {
  std::uint64_t queue = 0, served = 0, refused = 0;
};
std::string encode_pong(const PongBody& pong);
PongBody decode_pong(std::span<const std::byte> body);

/// u64 term, u64 epoch: what the client knows.
struct ViewRequestBody {
  std::uint64_t term = 0, epoch = 0;
};
std::string encode_view_request(const ViewRequestBody& request);
ViewRequestBody decode_view_request(std::span<const std::byte> body);

}  // namespace rookery::retriever_pool::wire
