#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "serving/local_cache.hpp"
#include "serving/prompt.hpp"

namespace rookery::serving {

enum class Workload {
  kNone,  ///< the generator alone, no retrieval
  kRalm,  ///< naive iterative RaLM: a new document every `stride_tokens`
};

/// How far a request runs ahead of the pool. Changes time and calls, never tokens (law 4).
struct Speculation {
  std::int32_t stride = 3;       ///< retrievals verified in one call, [1, 64]; 0: no speculation
  std::int32_t prefetch = 1;     ///< documents the first retrieval brings into the cache, [1, 1024]
  bool prefetch_always = false;  ///< verifications bring as many, too (the paper's mode)
  std::int32_t cache_passages_max = 512;  ///< of one request, [1, 65536]
};

struct RalmOptions {
  Workload workload = Workload::kRalm;
  std::int32_t stride_tokens = 4;     ///< new tokens between two retrievals
  std::int32_t query_tokens = 32;     ///< last tokens of question and answer that make a query
  std::int32_t max_new_tokens = 128;  ///< an answer is cut there
  Speculation speculation;
};

/// The pool changed its generation in the middle of a request, which therefore cannot go on.
struct GenerationChanged : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// One retrieval that the answer rests on.
struct RetrievalPoint {
  std::int32_t position = 0;  ///< tokens generated before it
  Passage passage;            ///< what was read from there on; null: the index gave nothing
};

struct RalmCounts {
  std::int64_t calls = 0;           ///< calls of the pool
  std::int64_t queries = 0;         ///< queries in them
  std::int64_t encodings = 0;       ///< queries that were encoded
  std::int64_t strides = 0;         ///< strides the generator ran
  std::int64_t wasted_strides = 0;  ///< of them, rolled back
  std::int64_t checked = 0;  ///< guesses that verification reached, the first wrong one included
  std::int64_t hits = 0;     ///< of them, right
};

/// One request of iterative retrieval-augmented generation as a state machine without clocks,
/// threads or models: it says what it needs next, and is told what came. Serving it with and
/// without speculation ends in the same tokens.
///
/// A round starts from a verified (answer, document), generates strides, and after each makes an
/// event: the query at that position and a guess at its document from the local cache. With
/// `stride` events pending, or at the end of the answer, one call of the pool verifies them all.
/// The first wrong guess takes the answer back to its position and puts the right document in
/// place; if none is wrong, all is kept. Source: specs/ralmspec.md 1.1 and 2.7.
///
/// The generator's KV needs no part in this: a roll-back shortens the input, and a `Generator`
/// keeps what the new input shares with the old.
class RalmRequest {
 public:
  enum class Need { kEncoding, kRetrieval, kTokens, kNothing };

  /// `prompt` and `tokenizer` outlive the request.
  RalmRequest(const RalmOptions& options, const Prompt& prompt, const text::Tokenizer& tokenizer,
              retriever_pool::Metric metric);

  [[nodiscard]] Need need() const { return need_; }

  /// kEncoding: the text to encode, valid UTF-8.
  [[nodiscard]] std::string query_text() const;
  void encoded(std::vector<float> vector);

  /// kRetrieval: what to ask the pool for. The view lives until the next call of this object.
  [[nodiscard]] retriever_pool::RetrievalRequest retrieval();
  /// Throws `GenerationChanged`, or `std::invalid_argument` for an answer to another question.
  void retrieved(retriever_pool::RetrievalAnswer answer);

  /// kTokens: the generator's input and how many tokens may follow.
  [[nodiscard]] std::vector<text::TokenId> input() const;
  [[nodiscard]] std::int32_t tokens_wanted() const;
  void generated(std::span<const text::TokenId> tokens, bool ended);

  /// The tokens that nothing can take back any more; grows only.
  [[nodiscard]] std::span<const text::TokenId> verified() const;
  /// With kNothing: the answer ended by itself, before the limit.
  [[nodiscard]] bool ended() const { return ended_; }
  /// The verified retrievals so far, in order of position.
  [[nodiscard]] const std::vector<RetrievalPoint>& trace() const { return trace_; }
  [[nodiscard]] const std::string& generation() const { return generation_; }
  [[nodiscard]] const RalmCounts& counts() const { return counts_; }

 private:
  struct Event {
    std::int32_t position = 0;
    std::vector<float> query;
    bool guessed = false;  ///< else the event is verified before its document is read
    Passage guess;
    std::int64_t strides_before = 0;
  };
  [[nodiscard]] std::int32_t position() const {
    return static_cast<std::int32_t>(generated_.size());
  }
  [[nodiscard]] bool complete() const { return ended_ || position() >= options_.max_new_tokens; }
  void keep(std::vector<retriever_pool::Document>& row);

  RalmOptions options_;
  const Prompt& prompt_;
  const text::Tokenizer& tokenizer_;
  LocalCache cache_;

  Need need_ = Need::kNothing;
  std::vector<text::TokenId> generated_;
  bool ended_ = false;
  Passage document_;            ///< in the prompt now
  std::vector<Event> pending_;  ///< in order of position
  std::vector<RetrievalPoint> trace_;
  std::string generation_;      ///< of the index, pinned by the first answer
  std::vector<float> queries_;  ///< behind `retrieval`'s view
  RalmCounts counts_;
};

}  // namespace rookery::serving
