#include "retriever_pool/wire_bodies.hpp"

#include <cmath>

#include "retriever_pool/detail/byte_order.hpp"

namespace rookery::retriever_pool::wire {
namespace {

constexpr std::uint32_t kPassagesFlag = 1, kVectorsFlag = 2;
constexpr std::uint32_t kDimensionMax = 65536;
constexpr std::uint32_t kErrorTextMax = 4096;

void expect_in(std::uint32_t value, std::uint32_t low, std::uint32_t high, const char* what) {
  if (value < low || value > high) {
    throw WireError(ErrorCode::kInvalid, std::string(what) + ": expected a number in [" +
                                             std::to_string(low) + ", " + std::to_string(high) +
                                             "], got " + std::to_string(value));
  }
}

std::uint32_t flags_of(bool passages, bool vectors) {
  return (passages ? kPassagesFlag : 0U) | (vectors ? kVectorsFlag : 0U);
}

[[noreturn]] void malformed_answer(const std::string& what) {
  throw WireError(ErrorCode::kMalformed, "answer: " + what);
}

std::int64_t hit_count(const AnswerBody& answer) {
  std::int64_t hits = 0;
  for (const auto& row : answer.rows) hits += std::ssize(row);
  return hits;
}

void read_passages(detail::Reader& reader, AnswerBody& answer, std::uint64_t hits) {
  const auto lengths = reader.get_array<std::uint32_t>(3 * hits, "answer lengths");
  std::size_t next = 0;
  for (auto& row : answer.rows) {
    for (Document& document : row) {
      document.source_id = reader.get_text(lengths[next++], "answer texts");
      document.title = reader.get_text(lengths[next++], "answer texts");
      document.text = reader.get_text(lengths[next++], "answer texts");
    }
  }
}

}  // namespace

std::string encode_query(const RetrievalRequest& request, std::int32_t dimension) {
  detail::Writer writer(16 + request.queries.size_bytes());
  writer.put(
      static_cast<std::uint32_t>(request.queries.size() / static_cast<std::size_t>(dimension)));
  writer.put(static_cast<std::uint32_t>(dimension));
  writer.put(static_cast<std::uint32_t>(request.k));
  writer.put(flags_of(request.want_passages, request.want_vectors));
  writer.put_array(request.queries);
  return writer.take();
}

QueryBody decode_query(std::span<const std::byte> body) {
  detail::Reader reader(body);
  QueryBody query;
  query.batch = reader.get<std::uint32_t>("query");
  query.dimension = reader.get<std::uint32_t>("query");
  query.k = reader.get<std::uint32_t>("query");
  const auto flags = reader.get<std::uint32_t>("query");
  expect_in(query.k, 1, static_cast<std::uint32_t>(kDocumentsMax), "k");
  expect_in(query.batch, 1, static_cast<std::uint32_t>(kBatchMax), "queries in a batch");
  expect_in(query.dimension, 1, kDimensionMax, "dimension");
  if (flags > (kPassagesFlag | kVectorsFlag)) {
    throw WireError(ErrorCode::kInvalid, "query: unknown flags " + std::to_string(flags));
  }
  query.want_passages = (flags & kPassagesFlag) != 0;
  query.want_vectors = (flags & kVectorsFlag) != 0;
  query.queries =
      reader.get_array<float>(std::uint64_t{query.batch} * query.dimension, "query vectors");
  reader.finish("query");
  return query;
}

std::int64_t answer_bytes(const AnswerBody& answer, const AnswerShape& shape) {
  const std::int64_t hits = hit_count(answer);
  std::int64_t bytes = 32 + 4 * std::ssize(answer.rows) + 12 * hits;
  if (shape.vectors) bytes += hits * shape.dimension * 4;
  if (shape.passages) {
    bytes += 12 * hits;
    for (const auto& row : answer.rows) {
      for (const Document& d : row) {
        bytes += std::ssize(d.source_id) + std::ssize(d.title) + std::ssize(d.text);
      }
    }
  }
  return bytes;
}

std::string encode_answer(const AnswerBody& answer, const AnswerShape& shape) {
  detail::Writer writer(static_cast<std::size_t>(answer_bytes(answer, shape)));
  writer.put(static_cast<std::uint32_t>(answer.rows.size()));
  writer.put(static_cast<std::uint32_t>(shape.vectors ? shape.dimension : 0));
  writer.put(flags_of(shape.passages, shape.vectors));
  writer.put(std::uint32_t{0});
  writer.put(answer.search_us);
  writer.put(answer.queue_us);
  const auto for_each = [&](auto&& visit) {
    for (const auto& row : answer.rows) {
      for (const Document& document : row) visit(document);
    }
  };
  for (const auto& row : answer.rows) writer.put(static_cast<std::uint32_t>(row.size()));
  for_each([&](const Document& d) { writer.put(d.id); });
  for_each([&](const Document& d) { writer.put(d.score); });
  if (shape.vectors) {
    for_each([&](const Document& d) { writer.put_array(std::span<const float>(d.vector)); });
  }
  if (shape.passages) {
    for_each([&](const Document& d) {
      writer.put(static_cast<std::uint32_t>(d.source_id.size()));
      writer.put(static_cast<std::uint32_t>(d.title.size()));
      writer.put(static_cast<std::uint32_t>(d.text.size()));
    });
    for_each([&](const Document& d) {
      writer.put_text(d.source_id);
      writer.put_text(d.title);
      writer.put_text(d.text);
    });
  }
  return writer.take();
}

AnswerBody decode_answer(std::span<const std::byte> body, std::uint32_t batch, std::uint32_t k_max,
                         const AnswerShape& shape) {
  detail::Reader reader(body);
  if (reader.get<std::uint32_t>("answer") != batch) malformed_answer("another number of queries");
  const auto dimension = reader.get<std::uint32_t>("answer");
  if (dimension != static_cast<std::uint32_t>(shape.vectors ? shape.dimension : 0)) {
    malformed_answer("another dimension, " + std::to_string(dimension));
  }
  if (reader.get<std::uint32_t>("answer") != flags_of(shape.passages, shape.vectors)) {
    malformed_answer("other fields than were asked for");
  }
  reader.get<std::uint32_t>("answer");
  AnswerBody answer;
  answer.search_us = reader.get<std::uint64_t>("answer");
  answer.queue_us = reader.get<std::uint64_t>("answer");
  const auto counts = reader.get_array<std::uint32_t>(batch, "answer counts");
  std::uint64_t hits = 0;
  for (const std::uint32_t count : counts) {
    if (count > k_max) malformed_answer("more hits than were asked for");
    hits += count;
  }
  const auto ids = reader.get_array<std::int64_t>(hits, "answer ids");
  const auto scores = reader.get_array<float>(hits, "answer scores");
  answer.rows.resize(batch);
  std::size_t next = 0;
  for (std::size_t row = 0; row < answer.rows.size(); ++row) {
    answer.rows[row].resize(counts[row]);
    for (std::size_t i = 0; i < answer.rows[row].size(); ++i, ++next) {
      if (!std::isfinite(scores[next])) malformed_answer("a score that is no number");
      if (i > 0 && !better({ids[next - 1], scores[next - 1]}, {ids[next], scores[next]})) {
        malformed_answer("hits out of order");
      }
      answer.rows[row][i].id = ids[next];
      answer.rows[row][i].score = scores[next];
    }
  }
  if (shape.vectors) {
    for (auto& row : answer.rows) {
      for (Document& document : row) {
        document.vector = reader.get_array<float>(dimension, "answer vectors");
      }
    }
  }
  if (shape.passages) read_passages(reader, answer, hits);
  reader.finish("answer");
  return answer;
}

std::string encode_error(const ErrorBody& error) {
  const std::string_view text = std::string_view(error.text).substr(0, kErrorTextMax);
  detail::Writer writer(12 + text.size());
  writer.put(error.code);
  writer.put(error.retry_after_ms);
  writer.put(static_cast<std::uint32_t>(text.size()));
  writer.put_text(text);
  return writer.take();
}

ErrorBody decode_error(std::span<const std::byte> body) {
  detail::Reader reader(body);
  ErrorBody error;
  const auto code = reader.get<std::uint32_t>("error");
  expect_in(code, 1, static_cast<std::uint32_t>(ErrorCode::kInternal), "error code");
  error.code = static_cast<ErrorCode>(code);
  error.retry_after_ms = reader.get<std::uint32_t>("error");
  const auto bytes = reader.get<std::uint32_t>("error");
  expect_in(bytes, 0, kErrorTextMax, "error text bytes");
  error.text = reader.get_text(bytes, "error text");
  reader.finish("error");
  return error;
}

std::string encode_pong(const PongBody& pong) {
  detail::Writer writer(24);
  writer.put(pong.queue);
  writer.put(pong.served);
  writer.put(pong.refused);
  return writer.take();
}

PongBody decode_pong(std::span<const std::byte> body) {
  detail::Reader reader(body);
  PongBody pong;
  pong.queue = reader.get<std::uint64_t>("pong");
  pong.served = reader.get<std::uint64_t>("pong");
  pong.refused = reader.get<std::uint64_t>("pong");
  reader.finish("pong");
  return pong;
}

std::string encode_view_request(const ViewRequestBody& request) {
  detail::Writer writer(16);
  writer.put(request.term);
  writer.put(request.epoch);
  return writer.take();
}

ViewRequestBody decode_view_request(std::span<const std::byte> body) {
  detail::Reader reader(body);
  ViewRequestBody request;
  request.term = reader.get<std::uint64_t>("view request");
  request.epoch = reader.get<std::uint64_t>("view request");
  reader.finish("view request");
  return request;
}

}  // namespace rookery::retriever_pool::wire
