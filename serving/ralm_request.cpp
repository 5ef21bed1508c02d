#include "serving/ralm_request.hpp"

#include <algorithm>
#include <utility>

#include "serving/utf8.hpp"

namespace rookery::serving {
namespace {

/// The generator reads title and text: documents that agree in them are one to it.
bool reads_the_same(const Passage& a, const Passage& b) {
  if (a == nullptr || b == nullptr) return a == b;
  return a->id == b->id || (a->title == b->title && a->text == b->text);
}

void check(const RalmOptions& options) {
  if (options.stride_tokens < 1 || options.query_tokens < 1 || options.max_new_tokens < 1 ||
      options.speculation.stride < 0 || options.speculation.prefetch < 1) {
    throw std::invalid_argument("RalmRequest: expected positive numbers in its options");
  }
}

}  // namespace

RalmRequest::RalmRequest(const RalmOptions& options, const Prompt& prompt,
                         const text::Tokenizer& tokenizer, retriever_pool::Metric metric)
    : options_(options),
      prompt_(prompt),
      tokenizer_(tokenizer),
      cache_(metric, options.speculation.cache_passages_max) {
  check(options_);
  need_ = options_.workload == Workload::kRalm ? Need::kEncoding : Need::kTokens;
}

std::string RalmRequest::query_text() const {
  const std::span<const text::TokenId> question = prompt_.question();
  const std::size_t wanted = static_cast<std::size_t>(options_.query_tokens);
  const std::size_t of_answer = std::min(wanted, generated_.size());
  const std::size_t of_question = std::min(wanted - of_answer, question.size());
  std::vector<text::TokenId> window(question.end() - static_cast<std::ptrdiff_t>(of_question),
                                    question.end());
  window.insert(window.end(), generated_.end() - static_cast<std::ptrdiff_t>(of_answer),
                generated_.end());
  // The window may begin or end inside a character.
  return valid_utf8(tokenizer_.decode(window));
}

void RalmRequest::encoded(std::vector<float> vector) {
  if (need_ != Need::kEncoding) throw std::logic_error("RalmRequest: no encoding was asked for");
  ++counts_.encodings;
  Event event;
  event.position = position();
  event.strides_before = counts_.strides;
  // The first retrieval has nothing to guess from.
  event.guessed = options_.speculation.stride > 0 && !trace_.empty();
  if (event.guessed) event.guess = cache_.best(vector);
  event.query = std::move(vector);
  pending_.push_back(std::move(event));

  const Event& last = pending_.back();
  if (!last.guessed || pending_.size() >= static_cast<std::size_t>(options_.speculation.stride)) {
    need_ = Need::kRetrieval;  // before the last guess is read: a wrong one costs nothing
    return;
  }
  document_ = last.guess;
  need_ = Need::kTokens;
}

retriever_pool::RetrievalRequest RalmRequest::retrieval() {
  queries_.clear();
  for (const Event& event : pending_) {
    queries_.insert(queries_.end(), event.query.begin(), event.query.end());
  }
  const Speculation& speculation = options_.speculation;
  const bool wide = speculation.stride > 0 && (trace_.empty() || speculation.prefetch_always);
  retriever_pool::RetrievalRequest request;
  request.queries = queries_;
  request.k = wide ? speculation.prefetch : 1;
  request.want_passages = true;
  request.want_vectors = speculation.stride > 0;
  return request;
}

void RalmRequest::keep(std::vector<retriever_pool::Document>& row) {
  // Worst first, so that the best is the newest.
  for (auto document = row.rbegin(); document != row.rend(); ++document) {
    cache_.insert(std::make_shared<const retriever_pool::Document>(std::move(*document)));
  }
}

void RalmRequest::retrieved(retriever_pool::RetrievalAnswer answer) {
  if (need_ != Need::kRetrieval) throw std::logic_error("RalmRequest: no retrieval was asked for");
  if (answer.rows.size() != pending_.size()) {
    throw std::invalid_argument("RalmRequest: expected " + std::to_string(pending_.size()) +
                                " rows from the pool, got " + std::to_string(answer.rows.size()));
  }
  if (counts_.calls > 0 && answer.generation != generation_) {
    throw GenerationChanged("the index changed from generation " + generation_ + " to " +
                            answer.generation + " while this request was served: ask again");
  }
  generation_ = answer.generation;
  ++counts_.calls;
  counts_.queries += static_cast<std::int64_t>(pending_.size());

  for (std::size_t i = 0; i < pending_.size(); ++i) {
    const Event& event = pending_[i];
    Passage truth;
    if (!answer.rows[i].empty()) {
      truth = std::make_shared<const retriever_pool::Document>(answer.rows[i].front());
    }
    trace_.push_back({event.position, truth});
    if (event.guessed) {
      ++counts_.checked;
      if (reads_the_same(event.guess, truth)) {
        ++counts_.hits;
        document_ = truth;
        continue;
      }
    }
    // Back to the first wrong guess; what was generated behind it read the wrong document.
    counts_.wasted_strides += counts_.strides - event.strides_before;
    generated_.resize(static_cast<std::size_t>(event.position));
    ended_ = false;
    document_ = truth;
    break;
  }
  if (options_.speculation.stride > 0) {
    for (std::vector<retriever_pool::Document>& row : answer.rows) keep(row);
  }
  pending_.clear();
  need_ = complete() ? Need::kNothing : Need::kTokens;
}

std::vector<text::TokenId> RalmRequest::input() const {
  std::vector<text::TokenId> ids = prompt_.tokens(document_.get());
  ids.insert(ids.end(), generated_.begin(), generated_.end());
  return ids;
}

std::int32_t RalmRequest::tokens_wanted() const {
  return std::min(options_.stride_tokens, options_.max_new_tokens - position());
}

void RalmRequest::generated(std::span<const text::TokenId> tokens, bool ended) {
  if (need_ != Need::kTokens) throw std::logic_error("RalmRequest: no tokens were asked for");
  const auto count = static_cast<std::int32_t>(tokens.size());
  if (count > tokens_wanted() || (count < tokens_wanted() && !ended)) {
    throw std::invalid_argument("RalmRequest: expected " + std::to_string(tokens_wanted()) +
                                " tokens, got " + std::to_string(count));
  }
  ++counts_.strides;
  generated_.insert(generated_.end(), tokens.begin(), tokens.end());
  ended_ = ended;
  if (complete()) {
    need_ = pending_.empty() ? Need::kNothing : Need::kRetrieval;
  } else if (options_.workload == Workload::kRalm) {
    need_ = Need::kEncoding;
  }
}

std::span<const text::TokenId> RalmRequest::verified() const {
  const std::span<const text::TokenId> all(generated_);
  if (pending_.empty()) return all;
  return all.first(static_cast<std::size_t>(pending_.front().position));
}

}  // namespace rookery::serving
