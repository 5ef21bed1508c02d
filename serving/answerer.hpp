#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/text_encoder.hpp"
#include "retriever_pool/retriever.hpp"
#include "serving/generator.hpp"
#include "serving/prompt.hpp"
#include "serving/ralm_request.hpp"

namespace rookery::serving {

enum class Finish { kStop, kLength, kCancelled };
/// "stop", "length", "cancelled".
std::string to_string(Finish finish);

/// One thing to answer: a text to continue, or a conversation.
struct Question {
  std::string text;                         ///< read when `messages` is empty
  std::vector<text::ChatMessage> messages;  ///< the last one is the user's
  std::int32_t max_new_tokens = 128;
  std::optional<Speculation> speculation;  ///< unset: the answerer's
  bool stream = true;  ///< someone reads the text as it grows; else it is wanted whole
};

/// Where the time of an answer went.
struct AnswerTimes {
  double seconds = 0;                 ///< all of it
  double generation_s = 0;            ///< in the generator
  double encoding_s = 0;              ///< encoding queries
  double retrieval_s = 0;             ///< in calls of the pool
  double lookup_s = 0;                ///< in the request itself: local cache, prompt, queries
  double first_token_s = 0;           ///< until the first verified text
  std::int64_t evaluated_tokens = 0;  ///< tokens that went through the generator
};

struct Answer {
  std::vector<text::TokenId> tokens;
  std::string text;  ///< valid UTF-8; the concatenation of what was streamed
  Finish finish = Finish::kLength;
  std::int32_t prompt_tokens = 0;  ///< question and template, without a document
  std::vector<RetrievalPoint> trace;
  std::string generation;  ///< of the index
  RalmCounts counts;
  AnswerTimes times;

  /// a: seconds of one stride of decoding, its query's encoding and look-up included.
  [[nodiscard]] double stride_seconds() const;
  /// b: seconds of one call of the pool; 0 when there was none.
  [[nodiscard]] double call_seconds() const;
  /// The passages of the trace, each once, in order of first use.
  [[nodiscard]] std::vector<Passage> passages() const;
  /// CRC-32C of the token ids, 8 hex digits: equal answers have equal ones.
  [[nodiscard]] std::string token_hash() const;
};

struct AnswerSink {
  /// Gets the verified text as it grows (with `Question::stream`); may be empty. What it got is
  /// never taken back.
  std::function<void(std::string_view text)> text;
  /// Asked between steps; true ends the answer with `kCancelled`. May be empty.
  std::function<bool()> cancelled;
};

/// What an answerer works with. All outlive it.
struct AnswererParts {
  Generator* generator = nullptr;
  const text::Tokenizer* tokenizer = nullptr;
  ChatEncoder chat;                                ///< empty: conversations are refused
  engine::TextEncoder* encoder = nullptr;          ///< null with workload none
  retriever_pool::Retriever* retriever = nullptr;  ///< null with workload none
};

struct AnswererOptions {
  RalmOptions ralm;
  PromptLimits limits;
  bool cut_prompts = false;  ///< a longer prompt keeps its last tokens; else it is refused
  std::chrono::milliseconds retrieval_deadline{2000};
};

/// Why a question cannot be answered as asked. `field` is `prompt`, `messages` or `max_tokens`.
struct QuestionError : std::runtime_error {
  QuestionError(std::string name, const std::string& message)
      : std::runtime_error(message), field(std::move(name)) {}
  std::string field;
};

/// Answers questions one after the other: drives a `RalmRequest` with a generator, an encoder and a
/// pool. One thread at a time.
class Answerer {
 public:
  /// Throws `UserError` when the encoder does not fit the index, naming both.
  Answerer(AnswererParts parts, AnswererOptions options);
  /// Throws `QuestionError`, or `retriever_pool::RetrievalError` when the pool does not answer.
  /// When the index changes its generation meanwhile, a question that is not streamed is run again
  /// from the start, once; a streamed one throws `GenerationChanged`, since tokens were read.
  [[nodiscard]] Answer answer(const Question& question, const AnswerSink& sink);
  /// Refuses what `answer` would refuse before it starts, with the same errors.
  void check(const Question& question) const;
  [[nodiscard]] const AnswererOptions& options() const { return options_; }

 private:
  struct Run;
  [[nodiscard]] std::unique_ptr<Prompt> make_prompt(const Question& question) const;
  void run(const Question& question, const AnswerSink& sink, Run& run);

  AnswererParts parts_;
  AnswererOptions options_;
  retriever_pool::Metric metric_ = retriever_pool::Metric::kInnerProduct;
};

}  // namespace rookery::serving
