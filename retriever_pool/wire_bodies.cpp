#include "retriever_pool/wire_bodies.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "index_tools/vector_math.hpp"
#include "retriever_pool/detail/byte_order.hpp"
#include "retriever_pool/request_checks.hpp"

namespace rookery::retriever_pool::wire {
namespace {

constexpr std::uint32_t kPassagesFlag = 1, kVectorsFlag = 2;
constexpr std::uint32_t kSearchFlag = 4, kTextsFlag = 8, kIdsFlag = 16, kFilterFlag = 32;  // query
constexpr std::uint32_t kFloat16Flag = 64;                                                 // query
constexpr std::uint32_t kValuesFlag = 4, kHalvesFlag = 8;                                  // answer
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

std::uint32_t flags_of(const AnswerShape& shape) {
  return flags_of(shape.passages, shape.vectors) |
         (shape.vectors && shape.float16 ? kHalvesFlag : 0U);
}

[[noreturn]] void malformed_answer(const std::string& what) {
  throw WireError(ErrorCode::kMalformed, "answer: " + what);
}

std::int64_t hit_count(const AnswerBody& answer) {
  std::int64_t hits = 0;
  for (const auto& row : answer.rows) hits += std::ssize(row);
  return hits;
}

void put_texts(detail::Writer& writer, std::span<const std::string> texts) {
  for (const std::string& text : texts) writer.put(static_cast<std::uint32_t>(text.size()));
  for (const std::string& text : texts) writer.put_text(text);
}

std::vector<std::string> read_texts(detail::Reader& reader, std::uint64_t count,
                                    std::uint32_t bytes_max, const char* what) {
  const auto lengths = reader.get_array<std::uint32_t>(count, what);
  std::vector<std::string> texts;
  texts.reserve(lengths.size());
  for (const std::uint32_t length : lengths) {
    expect_in(length, 0, bytes_max, what);
    texts.emplace_back(reader.get_text(length, what));
  }
  return texts;
}

void put_filter(detail::Writer& writer, const PassageFilter& filter) {
  const std::array text_lists = {&filter.allow_titles, &filter.deny_titles, &filter.allow_topics,
                                 &filter.deny_topics};
  writer.put(static_cast<std::uint32_t>(filter.allow_ids.size()));
  writer.put(static_cast<std::uint32_t>(filter.deny_ids.size()));
  for (const auto* list : text_lists) writer.put(static_cast<std::uint32_t>(list->size()));
  writer.put_array(std::span<const std::int64_t>(filter.allow_ids));
  writer.put_array(std::span<const std::int64_t>(filter.deny_ids));
  for (const auto* list : text_lists) put_texts(writer, *list);
}

PassageFilter read_filter(detail::Reader& reader) {
  if (reader.left() > static_cast<std::size_t>(kFilterBytesMax) + 24) {
    throw WireError(ErrorCode::kTooLarge, "filter: expected at most " +
                                              std::to_string(kFilterBytesMax) + " bytes, got " +
                                              std::to_string(reader.left() - 24));
  }
  const auto counts = reader.get_array<std::uint32_t>(6, "filter counts");
  const auto entries = std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
  if (entries > static_cast<std::uint64_t>(kFilterEntriesMax)) {
    throw WireError(ErrorCode::kTooLarge,
                    "filter: expected at most " + std::to_string(kFilterEntriesMax) +
                        " entries in all lists, got " + std::to_string(entries));
  }
  PassageFilter filter;
  filter.allow_ids = reader.get_array<std::int64_t>(counts[0], "filter ids");
  filter.deny_ids = reader.get_array<std::int64_t>(counts[1], "filter ids");
  std::size_t next = 2;
  for (auto* list :
       {&filter.allow_titles, &filter.deny_titles, &filter.allow_topics, &filter.deny_topics}) {
    *list = read_texts(reader, counts[next++], static_cast<std::uint32_t>(kFilterBytesMax),
                       "filter text bytes");
  }
  return filter;
}

void read_search(detail::Reader& reader, QueryBody& query) {
  const auto kind = reader.get<std::uint32_t>("query kind");
  expect_in(kind, 0, static_cast<std::uint32_t>(index_tools::IndexKind::kBm25), "kind");
  if (kind != 0) query.kind = static_cast<index_tools::IndexKind>(kind);
  const auto number = [&](std::int32_t max, const char* what) {
    const auto value = reader.get<std::uint32_t>(what);
    expect_in(value, 0, static_cast<std::uint32_t>(max), what);
    return static_cast<std::int32_t>(value);
  };
  query.tuning.ef_search = number(kEfSearchMax, "ef_search");
  query.tuning.nprobe = number(kNprobeMax, "nprobe");
  query.tuning.candidates = number(kCandidatesMax, "candidates");
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

RetrievalRequest QueryBody::request() const {
  RetrievalRequest request;
  request.queries = queries;
  request.texts = texts;
  request.ids = ids;
  request.k = static_cast<std::int32_t>(k);
  request.want_passages = want_passages;
  request.want_vectors = want_vectors;
  request.float16_vectors = float16_vectors;
  request.kind = kind;
  request.tuning = tuning;
  return request;
}

std::int64_t QueryBody::bytes() const {
  std::int64_t bytes = std::ssize(queries) * std::int64_t{sizeof(float)} +
                       std::ssize(ids) * std::int64_t{sizeof(std::int64_t)};
  for (const std::string& text : texts) bytes += std::ssize(text);
  return bytes + (filter ? filter_bytes(*filter) : 0);
}

std::string encode_query(const RetrievalRequest& request, std::int32_t dimension) {
  const bool texts = !request.texts.empty(), ids = !request.ids.empty();
  const bool search = request.kind || request.tuning != SearchTuning{};
  const bool filter = !request.filter.empty();
  detail::Writer writer(64 + request.queries.size_bytes() + request.ids.size_bytes() +
                        (filter ? static_cast<std::size_t>(filter_bytes(request.filter)) : 0));
  writer.put(static_cast<std::uint32_t>(batch_of(request, dimension)));
  writer.put(static_cast<std::uint32_t>(texts || ids ? 0 : dimension));
  writer.put(static_cast<std::uint32_t>(ids ? 1 : request.k));
  writer.put(flags_of(request.want_passages, request.want_vectors) | (search ? kSearchFlag : 0U) |
             (texts ? kTextsFlag : 0U) | (ids ? kIdsFlag : 0U) | (filter ? kFilterFlag : 0U) |
             (request.want_vectors && request.float16_vectors ? kFloat16Flag : 0U));
  if (search) {
    writer.put(request.kind ? static_cast<std::uint32_t>(*request.kind) : 0U);
    writer.put(static_cast<std::uint32_t>(request.tuning.ef_search));
    writer.put(static_cast<std::uint32_t>(request.tuning.nprobe));
    writer.put(static_cast<std::uint32_t>(request.tuning.candidates));
  }
  writer.put_array(request.queries);
  put_texts(writer, request.texts);
  writer.put_array(request.ids);
  if (filter) put_filter(writer, request.filter);
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
  constexpr std::uint32_t kKnownFlags = kPassagesFlag | kVectorsFlag | kSearchFlag | kTextsFlag |
                                        kIdsFlag | kFilterFlag | kFloat16Flag;
  const bool texts = (flags & kTextsFlag) != 0, ids = (flags & kIdsFlag) != 0;
  if ((flags & ~kKnownFlags) != 0 || (texts && ids)) {
    throw WireError(ErrorCode::kInvalid, "query: unknown flags " + std::to_string(flags));
  }
  const std::uint32_t dimension_min = texts || ids ? 0 : 1;
  expect_in(query.dimension, dimension_min, dimension_min * kDimensionMax, "dimension");
  query.want_passages = (flags & kPassagesFlag) != 0;
  query.want_vectors = (flags & kVectorsFlag) != 0;
  query.float16_vectors = (flags & kFloat16Flag) != 0;
  if ((flags & kSearchFlag) != 0) read_search(reader, query);
  if (texts) {
    query.texts = read_texts(reader, query.batch, static_cast<std::uint32_t>(kQueryTextBytesMax),
                             "query text bytes");
  } else if (ids) {
    query.ids = reader.get_array<std::int64_t>(query.batch, "query ids");
  } else {
    query.queries =
        reader.get_array<float>(std::uint64_t{query.batch} * query.dimension, "query vectors");
  }
  if ((flags & kFilterFlag) != 0) {
    query.filter = std::make_shared<const PassageFilter>(read_filter(reader));
  }
  reader.finish("query");
  return query;
}

std::int64_t answer_bytes(const AnswerBody& answer, const AnswerShape& shape) {
  const std::int64_t hits = hit_count(answer);
  std::int64_t bytes = 32 + 4 * std::ssize(answer.rows) + 12 * hits;
  if (shape.values) bytes += hits * 4;
  if (shape.vectors) bytes += hits * shape.dimension * (shape.float16 ? 2 : 4);
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
  writer.put(flags_of(shape) | (shape.values ? kValuesFlag : 0U));
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
  if (shape.values) {
    for_each([&](const Document& d) { writer.put(d.value.value_or(0)); });
  }
  if (shape.vectors && shape.float16) {
    for_each([&](const Document& d) {
      for (const float value : d.vector) writer.put(index_tools::to_half(value));
    });
  } else if (shape.vectors) {
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
  const auto flags = reader.get<std::uint32_t>("answer");
  if ((flags & ~kValuesFlag) != flags_of(shape)) {
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
      if (shape.look_up && (i > 0 || scores[next] != 0)) {
        malformed_answer("something else than the passage that was looked up");
      }
      if (i > 0 && !better({ids[next - 1], scores[next - 1]}, {ids[next], scores[next]})) {
        malformed_answer("hits out of order");
      }
      answer.rows[row][i].id = ids[next];
      answer.rows[row][i].score = scores[next];
    }
  }
  if ((flags & kValuesFlag) != 0) {
    const auto values = reader.get_array<std::int32_t>(hits, "answer values");
    auto value = values.begin();
    for (auto& row : answer.rows) {
      for (Document& document : row) document.value = *value++;
    }
  }
  if (shape.vectors) {
    for (auto& row : answer.rows) {
      for (Document& document : row) {
        if (!shape.float16) {
          document.vector = reader.get_array<float>(dimension, "answer vectors");
          continue;
        }
        const auto halves = reader.get_array<std::uint16_t>(dimension, "answer vectors");
        document.vector.resize(halves.size());
        std::transform(halves.begin(), halves.end(), document.vector.begin(),
                       index_tools::from_half);
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

std::string encode_sample_request(std::uint32_t count) {
  detail::Writer writer(4);
  writer.put(count);
  return writer.take();
}

std::uint32_t decode_sample_request(std::span<const std::byte> body) {
  detail::Reader reader(body);
  const auto count = reader.get<std::uint32_t>("sample request");
  reader.finish("sample request");
  expect_in(count, 1, kSampleQueriesMax, "sampled queries");
  return count;
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
