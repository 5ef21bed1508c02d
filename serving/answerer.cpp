#include "serving/answerer.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <span>
#include <utility>

#include "base/checksum.hpp"
#include "base/error.hpp"
#include "serving/utf8.hpp"

namespace rookery::serving {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

retriever_pool::Metric metric_of(const retriever_pool::IndexDescription& index) {
  if (index.metric == "inner_product") return retriever_pool::Metric::kInnerProduct;
  if (index.metric == "l2") return retriever_pool::Metric::kL2;
  throw base::UserError("the index has the metric '" + index.metric +
                        "': expected inner_product or l2");
}

void check_encoder(const retriever_pool::IndexDescription& index,
                   const engine::EncoderIdentity& encoder) {
  const bool known =
      encoder.model_hash == index.encoder_hash ||
      (!encoder.trained_against.empty() && encoder.trained_against == index.encoder_hash);
  if (known && encoder.dimension == index.dimension && encoder.pooling == index.pooling &&
      encoder.normalised == index.normalised) {
    return;
  }
  throw base::UserError("the encoder '" + encoder.name + "' (" + std::to_string(encoder.dimension) +
                        "-d, model " + encoder.model_hash.substr(0, 12) +
                        ") does not fit the index, which was made by '" + index.encoder_name +
                        "' (" + std::to_string(index.dimension) + "-d, model " +
                        index.encoder_hash.substr(0, 12) + "): set serve.encoder to that one");
}

}  // namespace

std::string to_string(Finish finish) {
  switch (finish) {
    case Finish::kStop:
      return "stop";
    case Finish::kLength:
      return "length";
    case Finish::kCancelled:
      break;
  }
  return "cancelled";
}

double Answer::stride_seconds() const {
  if (counts.strides == 0) return 0;
  return (times.generation_s + times.encoding_s + times.lookup_s) /
         static_cast<double>(counts.strides);
}

double Answer::call_seconds() const {
  return counts.calls == 0 ? 0 : times.retrieval_s / static_cast<double>(counts.calls);
}

std::vector<Passage> Answer::passages() const {
  std::vector<Passage> out;
  for (const RetrievalPoint& point : trace) {
    const bool known = std::any_of(out.begin(), out.end(), [&](const Passage& passage) {
      return point.passage != nullptr && passage->id == point.passage->id;
    });
    if (point.passage != nullptr && !known) out.push_back(point.passage);
  }
  return out;
}

std::string Answer::token_hash() const {
  std::array<char, 9> hex{};
  std::snprintf(hex.data(), hex.size(), "%08x", base::crc32c(std::as_bytes(std::span(tokens))));
  return hex.data();
}

/// One attempt at a question: its request, the text streamed so far, and the clock.
struct Answerer::Run {
  Clock::time_point begin = Clock::now();
  Answer answer;
  Utf8Stream utf8;
  std::size_t streamed_tokens = 0;
  bool stream_text = true;

  void stream(const text::Tokenizer& tokenizer, std::span<const text::TokenId> verified,
              const AnswerSink& sink) {
    if (verified.size() == streamed_tokens) return;
    if (streamed_tokens == 0) answer.times.first_token_s = seconds_since(begin);
    send(utf8.push(tokenizer.decode(verified.subspan(streamed_tokens))), sink);
    streamed_tokens = verified.size();
  }
  void send(const std::string& piece, const AnswerSink& sink) {
    answer.text += piece;
    if (!piece.empty() && sink.text && stream_text) sink.text(piece);
  }
};

Answerer::Answerer(AnswererParts parts, AnswererOptions options)
    : parts_(std::move(parts)), options_(options) {
  if (parts_.generator == nullptr || parts_.tokenizer == nullptr) {
    throw std::invalid_argument("Answerer: expected a generator and its tokenizer");
  }
  if (options_.ralm.workload == Workload::kNone) return;
  if (parts_.encoder == nullptr || parts_.retriever == nullptr) {
    throw std::invalid_argument("Answerer: retrieval needs an encoder and a pool");
  }
  const retriever_pool::IndexDescription index = parts_.retriever->description();
  metric_ = metric_of(index);
  check_encoder(index, parts_.encoder->identity());
}

std::unique_ptr<Prompt> Answerer::make_prompt(const Question& question) const {
  const char* const field = question.messages.empty() ? "prompt" : "messages";
  if (question.max_new_tokens < 1) {
    throw QuestionError("max_tokens", "expected at least 1 new token, got " +
                                          std::to_string(question.max_new_tokens));
  }
  const std::string& text =
      question.messages.empty() ? question.text : question.messages.back().content;
  const std::size_t length = parts_.tokenizer->encode(text).size();
  const auto limit = static_cast<std::size_t>(options_.limits.prompt_tokens_max);
  if (length > limit && !options_.cut_prompts) {
    throw QuestionError(field, "expected at most " + std::to_string(limit) + " tokens, got " +
                                   std::to_string(length) +
                                   ": shorten it, or raise serve.prompt_tokens_max");
  }
  std::unique_ptr<Prompt> prompt;
  try {
    if (question.messages.empty()) {
      prompt = std::make_unique<PlainPrompt>(*parts_.tokenizer, question.text, options_.limits);
    } else if (parts_.chat) {
      prompt = std::make_unique<ChatPrompt>(*parts_.tokenizer, parts_.chat, question.messages,
                                            options_.limits);
      (void)prompt->tokens(nullptr);  // refuses unknown roles
    } else {
      throw QuestionError(field, "this generator has no chat template: send a prompt");
    }
  } catch (const base::UserError& error) {
    throw QuestionError(field, error.what());
  }
  // The longest input: template, question, the longest document and the whole answer. Decoding and
  // encoding a cut document again may yield a few tokens more.
  constexpr std::int64_t kSlack = 64;
  const std::int64_t retrieved =
      options_.ralm.workload == Workload::kNone ? 0 : options_.limits.document_tokens_max + kSlack;
  const std::int64_t given = static_cast<std::int64_t>(prompt->tokens(nullptr).size()) + retrieved;
  const std::int64_t positions = parts_.generator->positions_max();
  if (given + question.max_new_tokens > positions) {
    const bool prompt_alone = given >= positions;
    throw QuestionError(
        prompt_alone ? field : "max_tokens",
        "the generator holds " + std::to_string(positions) +
            " tokens, of which question and "
            "document take up to " +
            std::to_string(given) + ": " +
            (prompt_alone ? "shorten the question"
                          : "expected max_tokens of at most " + std::to_string(positions - given) +
                                ", got " + std::to_string(question.max_new_tokens)));
  }
  return prompt;
}

void Answerer::check(const Question& question) const { (void)make_prompt(question); }

Answer Answerer::answer(const Question& question, const AnswerSink& sink) {
  Run first;
  try {
    run(question, sink, first);
    return std::move(first.answer);
  } catch (const GenerationChanged&) {
    if (question.stream) throw;  // someone has read tokens of the old generation
  }
  Run second;
  second.begin = first.begin;
  run(question, sink, second);
  return std::move(second.answer);
}

void Answerer::run(const Question& question, const AnswerSink& sink, Run& run) {
  Answer& answer = run.answer;
  run.stream_text = question.stream;
  const std::unique_ptr<Prompt> prompt = make_prompt(question);
  answer.prompt_tokens = static_cast<std::int32_t>(prompt->tokens(nullptr).size());
  RalmOptions ralm = options_.ralm;
  ralm.max_new_tokens = question.max_new_tokens;
  if (question.speculation) ralm.speculation = *question.speculation;
  RalmRequest request(ralm, *prompt, *parts_.tokenizer, metric_);

  bool cancelled = false;
  while (request.need() != RalmRequest::Need::kNothing) {
    cancelled = sink.cancelled && sink.cancelled();
    if (cancelled) break;
    const Clock::time_point start = Clock::now();
    double other = 0;  // of this step, spent in a model or the pool
    const auto timed = [&](double& share, auto&& call) {
      const Clock::time_point from = Clock::now();
      auto result = call();
      const double spent = seconds_since(from);
      share += spent;
      other += spent;
      return result;
    };
    switch (request.need()) {
      case RalmRequest::Need::kEncoding: {
        const std::vector<std::string> texts = {request.query_text()};
        request.encoded(
            timed(answer.times.encoding_s, [&] { return parts_.encoder->encode(texts); }));
        break;
      }
      case RalmRequest::Need::kRetrieval: {
        retriever_pool::RetrievalRequest wanted = request.retrieval();
        wanted.deadline = options_.retrieval_deadline;
        request.retrieved(
            timed(answer.times.retrieval_s, [&] { return parts_.retriever->retrieve(wanted); }));
        break;
      }
      case RalmRequest::Need::kTokens: {
        const std::vector<text::TokenId> input = request.input();
        const Continuation next = timed(answer.times.generation_s, [&] {
          return parts_.generator->continue_greedily(input, request.tokens_wanted());
        });
        answer.times.evaluated_tokens += next.evaluated;
        request.generated(next.tokens, next.ended);
        break;
      }
      case RalmRequest::Need::kNothing:
        break;
    }
    answer.times.lookup_s += seconds_since(start) - other;
    run.stream(*parts_.tokenizer, request.verified(), sink);
  }
  run.send(run.utf8.finish(), sink);
  answer.finish =
      cancelled ? Finish::kCancelled : (request.ended() ? Finish::kStop : Finish::kLength);
  const std::span<const text::TokenId> tokens = request.verified();
  answer.tokens.assign(tokens.begin(), tokens.end());
  answer.trace = request.trace();
  answer.generation = request.generation();
  answer.counts = request.counts();
  answer.times.seconds = seconds_since(run.begin);
}

}  // namespace rookery::serving
