#pragma once

#include <cstdint>
#include <memory>
#include <optional>
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

/// A query:
///
///     u32 batch, u32 dimension, u32 k, u32 flags
///     u32 kind (0: unset), u32 ef_search, u32 nprobe, u32 candidates     with flag 4
///     what is asked: f32 [batch, dimension]
///                    u32 bytes [batch], the texts                        with flag 8
///                    i64 [batch]                                         with flag 16
///     u32 counts [6], i64 allow ids, i64 deny ids, and for allow titles, with flag 32
///     deny titles, allow topics, deny topics: u32 bytes [count], texts
///
/// Flags 1 and 2 ask for passages and vectors, flag 64 for vectors as float16. Dimension is 0 with
/// texts and ids, k is 1 with ids. A server that does not know a flag refuses the query; one that
/// asks for nothing new has the bytes that it always had.
struct QueryBody {
  std::uint32_t batch = 0, dimension = 0, k = 0;
  bool want_passages = false, want_vectors = false, float16_vectors = false;
  std::optional<index_tools::IndexKind> kind;
  SearchTuning tuning;
  std::vector<float> queries;
  std::vector<std::string> texts;
  std::vector<std::int64_t> ids;
  std::shared_ptr<const PassageFilter> filter;  ///< nothing: none; shared by copies of the request

  /// The request that it asks, as a view of this body; without the filter, which is checked as it
  /// is read.
  [[nodiscard]] RetrievalRequest request() const;
  [[nodiscard]] std::int64_t bytes() const;  ///< of queries, texts, ids and filter
};
/// `request` is one that `check_request` takes; `dimension` is the index's.
std::string encode_query(const RetrievalRequest& request, std::int32_t dimension);
QueryBody decode_query(std::span<const std::byte> body);

/// u32 batch, u32 dimension, u32 flags, u32 zero, u64 search µs, u64 queue µs, u32 counts
/// `[batch]`, i64 ids, f32 scores, of a datastore (flag 4) i32 values `[hits]`, with vectors (flag
/// 2) f32 `[hits, dimension]`, or u16 (flag 8 too: float16), with passages (flag 1) u32 lengths
/// `[hits, 3]` and the texts (source id, title, text).
struct AnswerBody {
  std::uint64_t search_us = 0, queue_us = 0;
  std::vector<std::vector<Document>> rows;
};
struct AnswerShape {
  bool passages = false, vectors = false;
  std::int32_t dimension = 0;
  bool values = false;   ///< written; a reader takes answers with and without them
  bool look_up = false;  ///< read: a row has one hit of score 0, or none
  bool float16 = false;  ///< vectors travel as float16, to which they are rounded already
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

/// u32 count, [1, `kSampleQueriesMax`]: how many queries are wanted. The answer is the body of a
/// query, or empty when none came yet.
inline constexpr std::uint32_t kSampleQueriesMax = 100;
std::string encode_sample_request(std::uint32_t count);
std::uint32_t decode_sample_request(std::span<const std::byte> body);

/// u64 term, u64 epoch: what the client knows.
struct ViewRequestBody {
  std::uint64_t term = 0, epoch = 0;
};
std::string encode_view_request(const ViewRequestBody& request);
ViewRequestBody decode_view_request(std::span<const std::byte> body);

}  // namespace rookery::retriever_pool::wire
