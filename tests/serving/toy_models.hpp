#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/text_encoder.hpp"
#include "retriever_pool/exact_kernel.hpp"
#include "retriever_pool/retriever.hpp"
#include "serving/answerer.hpp"

namespace rookery::serving::testing {

/// FNV-1a; the toy world's only source of chance.
inline std::uint64_t hash_bytes(std::string_view bytes, std::uint64_t seed = 0) {
  std::uint64_t h = 1469598103934665603ULL ^ (seed * 0x9E3779B97F4A7C15ULL);
  for (const char c : bytes) h = (h ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return h ^ (h >> 29);
}

inline constexpr text::TokenId kMarkToken = 256;  ///< a special token without text

/// A token a byte.
class ByteTokenizer final : public text::Tokenizer {
 public:
  [[nodiscard]] std::vector<text::TokenId> encode(std::string_view text) const override {
    std::vector<text::TokenId> ids;
    for (const char c : text) ids.push_back(static_cast<unsigned char>(c));
    return ids;
  }
  [[nodiscard]] std::string decode(std::span<const text::TokenId> ids) const override {
    std::string out;
    for (const text::TokenId id : ids) {
      if (id != kMarkToken) out += static_cast<char>(id);
    }
    return out;
  }
  [[nodiscard]] std::int32_t vocabulary_size() const override { return 257; }
  [[nodiscard]] text::TokenId special(std::string_view) const override { return kMarkToken; }
};

/// A language model whose next token is a hash of all it reads, so that a wrong document shows at
/// once. Questions end with '?', which neither documents nor answers hold: what follows is the
/// answer.
class HashGenerator final : public Generator {
 public:
  std::uint64_t seed = 0;
  std::uint64_t end_one_in = 0;       ///< an end of sequence by chance, one in so many; 0: never
  std::int32_t end_position = -1;     ///< and always at this length of the answer
  std::vector<text::TokenId> script;  ///< if not empty: the answer, whatever the document
  std::function<void()> before_each_call;  ///< a hook for tests with threads
  std::int64_t calls = 0;

  [[nodiscard]] Continuation continue_greedily(std::span<const text::TokenId> input,
                                               std::int32_t tokens_max) override {
    if (before_each_call) before_each_call();
    ++calls;
    Continuation out;
    std::string read;
    std::int32_t answered = -1;
    for (const text::TokenId id : input) {
      read += static_cast<char>(id);
      if (id == kMarkToken) continue;
      answered = id == '?' ? 0 : (answered < 0 ? -1 : answered + 1);
    }
    while (static_cast<std::int32_t>(out.tokens.size()) < tokens_max) {
      const std::uint64_t h = hash_bytes(read, seed);
      const std::int32_t at = answered + static_cast<std::int32_t>(out.tokens.size());
      const bool over = !script.empty() && at >= static_cast<std::int32_t>(script.size());
      if (at == end_position || over || (end_one_in != 0 && (h >> 8) % end_one_in == 0)) {
        out.ended = true;
        break;
      }
      const auto next = script.empty() ? static_cast<text::TokenId>('a' + h % 26)
                                       : script[static_cast<std::size_t>(at)];
      out.tokens.push_back(next);
      read += static_cast<char>(next);
    }
    out.evaluated = static_cast<std::int64_t>(input.size());
    return out;
  }
  [[nodiscard]] std::int32_t positions_max() const override { return positions; }
  std::int32_t positions = 100'000;
};

/// Small whole numbers from the last `window` bytes of a text: many ties, and neighbouring queries
/// that often agree.
class HashEncoder final : public engine::TextEncoder {
 public:
  explicit HashEncoder(std::int32_t dimension = 6, std::size_t window_bytes = 1000)
      : window(window_bytes) {
    identity_ = {"hash", "feed", "", dimension, "mean", true, 256};
  }
  [[nodiscard]] const engine::EncoderIdentity& identity() const override { return identity_; }
  [[nodiscard]] std::vector<float> encode(std::span<const std::string> texts) override {
    std::vector<float> out;
    for (const std::string& text : texts) {
      seen.push_back(text);
      const std::string_view end =
          std::string_view(text).substr(text.size() > window ? text.size() - window : 0);
      for (std::int32_t i = 0; i < identity_.dimension; ++i) {
        out.push_back(static_cast<float>(
            static_cast<int>(hash_bytes(end, static_cast<std::uint64_t>(i) + 99) % 3) - 1));
      }
    }
    return out;
  }
  std::size_t window;
  std::vector<std::string> seen;

 private:
  engine::EncoderIdentity identity_;
};

inline retriever_pool::IndexDescription toy_index(std::int32_t dimension) {
  retriever_pool::IndexDescription index;
  index.generation = "g1";
  index.metric = "inner_product";
  index.encoder_hash = "feed";
  index.encoder_name = "hash";
  index.pooling = "mean";
  index.normalised = true;
  index.dimension = dimension;
  return index;
}

/// A pool whose rows come from a function of the query alone.
class ScriptedRetriever final : public retriever_pool::Retriever {
 public:
  using Row = std::function<std::vector<retriever_pool::Document>(std::span<const float> query,
                                                                  std::int32_t k)>;
  ScriptedRetriever(std::int32_t dimension, Row row)
      : dimension_(dimension), row_(std::move(row)) {}

  [[nodiscard]] retriever_pool::RetrievalAnswer retrieve(
      const retriever_pool::RetrievalRequest& request) override {
    ++calls;
    if (fail_at == calls) {
      throw retriever_pool::RetrievalError(retriever_pool::RetrievalFault::kUnavailable,
                                           "shard 1 has no ready replica");
    }
    retriever_pool::RetrievalAnswer answer;
    const auto width = static_cast<std::size_t>(dimension_);
    for (std::size_t at = 0; at < request.queries.size(); at += width) {
      ++queries;
      answer.rows.push_back(row_(request.queries.subspan(at, width), request.k));
      for (retriever_pool::Document& document : answer.rows.back()) {
        if (!request.want_vectors) document.vector.clear();
      }
    }
    answer.generation = calls >= new_generation_at ? "g2" : "g1";
    answer.shards_answered = answer.shards_wanted = 1;
    return answer;
  }
  [[nodiscard]] retriever_pool::IndexDescription description() override {
    return toy_index(dimension_);
  }
  std::int64_t calls = 0, queries = 0;
  std::int64_t fail_at = -1;
  std::int64_t new_generation_at = 1'000'000'000;

 private:
  std::int32_t dimension_;
  Row row_;
};

inline retriever_pool::Document toy_document(std::int64_t id, const std::string& text,
                                             std::vector<float> vector) {
  retriever_pool::Document document;
  document.id = id;
  document.source_id = "s" + std::to_string(id);
  document.title = "T" + std::to_string(id % 1000);
  document.text = text;
  document.vector = std::move(vector);
  return document;
}

/// Exact search over a list, by a naive loop and law 1's order.
inline ScriptedRetriever::Row exact_rows(std::vector<retriever_pool::Document> documents) {
  return [documents](std::span<const float> query, std::int32_t k) {
    std::vector<retriever_pool::Document> row = documents;
    for (retriever_pool::Document& document : row) {
      document.score = retriever_pool::exact_score(retriever_pool::Metric::kInnerProduct, query,
                                                   document.vector);
    }
    std::sort(row.begin(), row.end(), [](const auto& a, const auto& b) {
      return a.score != b.score ? a.score > b.score : a.id < b.id;
    });
    row.resize(std::min<std::size_t>(row.size(), static_cast<std::size_t>(k)));
    return row;
  };
}

/// `count` documents with vectors of small whole numbers; every third one is a copy of its
/// predecessor under another id.
inline std::vector<retriever_pool::Document> random_documents(std::uint64_t seed, int count,
                                                              std::int32_t dimension) {
  std::vector<retriever_pool::Document> out;
  for (int i = 0; i < count; ++i) {
    if (i % 3 == 2) {
      retriever_pool::Document copy = out.back();
      copy.id = 100 + i;
      out.push_back(copy);
      continue;
    }
    std::vector<float> vector;
    for (std::int32_t d = 0; d < dimension; ++d) {
      const std::uint64_t h = hash_bytes(std::to_string(i) + ":" + std::to_string(d), seed);
      vector.push_back(static_cast<float>(static_cast<int>(h % 3) - 1));
    }
    // Falling ids, so that ties go to what was inserted last.
    out.push_back(toy_document(90 - i, "text of " + std::to_string(i), vector));
  }
  return out;
}

/// Always the same document.
inline ScriptedRetriever::Row always_rows(std::int32_t dimension) {
  return exact_rows(
      {toy_document(7, "the one", std::vector<float>(static_cast<std::size_t>(dimension), 1.0F))});
}

/// A document of its own for every query, which no other query gets.
inline ScriptedRetriever::Row never_rows() {
  return [](std::span<const float> query, std::int32_t) {
    const std::string_view bytes(reinterpret_cast<const char*>(query.data()), query.size_bytes());
    const auto id = static_cast<std::int64_t>(hash_bytes(bytes) >> 2);
    return std::vector<retriever_pool::Document>{
        toy_document(id, "own " + std::to_string(id), {query.begin(), query.end()})};
  };
}

/// Everything an `Answerer` needs.
struct ToyWorld {
  ByteTokenizer tokenizer;
  HashGenerator generator;
  HashEncoder encoder;
  ScriptedRetriever retriever;

  explicit ToyWorld(ScriptedRetriever::Row row, std::int32_t dimension = 6,
                    std::size_t window = 1000)
      : encoder(dimension, window), retriever(dimension, std::move(row)) {}

  [[nodiscard]] AnswererParts parts() {
    AnswererParts parts;
    parts.generator = &generator;
    parts.tokenizer = &tokenizer;
    parts.encoder = &encoder;
    parts.retriever = &retriever;
    parts.chat = [this](std::span<const text::ChatMessage> messages) {
      std::vector<text::TokenId> ids;
      for (const text::ChatMessage& message : messages) {
        ids.push_back(kMarkToken);
        const auto text = tokenizer.encode(message.role + ":" + message.content);
        ids.insert(ids.end(), text.begin(), text.end());
      }
      ids.push_back(kMarkToken);
      return ids;
    };
    return parts;
  }
};

}  // namespace rookery::serving::testing
