#include "trainer/sequence_decoding.hpp"

#include <algorithm>
#include <cmath>
#include <span>
#include <stdexcept>

namespace rookery::trainer {
namespace {

using Tokens = std::vector<text::TokenId>;

double log_sum_exp(std::span<const double> values) {
  const double top = *std::max_element(values.begin(), values.end());
  double sum = 0;
  for (const double value : values) sum += std::exp(value - top);
  return top + std::log(sum);
}

/// log Σ exp over a row of logits; the sum is in double, so that 49,152 terms lose nothing.
double log_normaliser(std::span<const float> logits) {
  const float top = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += static_cast<double>(std::exp(logit - top));
  return static_cast<double>(top) + std::log(sum);
}

}  // namespace

/// One document of one task.
struct SequenceDecoder::Row {
  std::size_t task = 0;
  engine::KvCache* cache = nullptr;
  std::int32_t prompt_length = 0;
  std::vector<float> first_logits;  ///< behind the prompt, `[vocabulary]`
  double first_normaliser = 0;
  Tokens candidate;  ///< greedy
  bool ended = false;
  std::vector<double> log_probabilities;  ///< of the task's candidates
};

std::vector<double> log_prior(const std::vector<float>& scores, double scale) {
  std::vector<double> scaled;
  for (const float score : scores) scaled.push_back(scale * static_cast<double>(score));
  const double normaliser = log_sum_exp(scaled);
  for (double& value : scaled) value -= normaliser;
  return scaled;
}

SequenceDecoder::SequenceDecoder(engine::Decoder& decoder, const PromptFormat& format,
                                 double score_scale)
    : decoder_(decoder), format_(format), score_scale_(score_scale) {}

void SequenceDecoder::run_prompts(const std::vector<DecodingTask>& tasks, std::vector<Row>& rows) {
  std::size_t count = 0;
  for (const auto& task : tasks) count += task.prompts.size();
  while (caches_.size() < count) caches_.push_back(decoder_.new_cache());
  std::vector<engine::DecoderInput> inputs;
  for (std::size_t t = 0; t < tasks.size(); ++t) {
    if (tasks[t].prompts.empty() || tasks[t].prompts.size() != tasks[t].scores.size()) {
      throw std::invalid_argument("decoding: expected as many scores as prompts, at least one");
    }
    for (const Tokens& prompt : tasks[t].prompts) {
      Row row;
      row.task = t;
      row.cache = &caches_[rows.size()];
      row.cache->truncate(0);
      row.prompt_length = static_cast<std::int32_t>(prompt.size());
      inputs.push_back({.cache = row.cache, .tokens = prompt, .logit_rows = 1});
      rows.push_back(std::move(row));
    }
  }
  const std::vector<float> logits = decoder_.forward(inputs);
  const auto vocabulary = static_cast<std::size_t>(decoder_.config().vocabulary);
  for (std::size_t r = 0; r < rows.size(); ++r) {
    const auto* from = logits.data() + r * vocabulary;
    rows[r].first_logits.assign(from, from + vocabulary);
    rows[r].first_normaliser = log_normaliser(rows[r].first_logits);
    rows[r].candidate = {engine::greedy_token(rows[r].first_logits)};
    rows[r].ended = format_.ends(rows[r].candidate.back());
  }
}

void SequenceDecoder::extend_greedily(std::vector<Row>& rows) {
  const auto vocabulary = static_cast<std::size_t>(decoder_.config().vocabulary);
  for (std::int32_t length = 1; length <= format_.options().answer_tokens; ++length) {
    std::vector<Row*> going;
    std::vector<engine::DecoderInput> inputs;
    for (Row& row : rows) {
      if (row.ended) continue;
      going.push_back(&row);
      inputs.push_back(
          {.cache = row.cache, .tokens = std::span(row.candidate).last(1), .logit_rows = 1});
    }
    if (going.empty()) return;
    const std::vector<float> logits = decoder_.forward(inputs);
    for (std::size_t i = 0; i < going.size(); ++i) {
      const std::span<const float> row_logits(logits.data() + i * vocabulary, vocabulary);
      going[i]->candidate.push_back(engine::greedy_token(row_logits));
      going[i]->ended = format_.ends(going[i]->candidate.back());
    }
  }
}

void SequenceDecoder::score(const std::vector<std::vector<Tokens>>& candidates, std::size_t number,
                            std::vector<Row>& rows) {
  const auto vocabulary = static_cast<std::size_t>(decoder_.config().vocabulary);
  std::vector<Row*> scored;
  std::vector<engine::DecoderInput> inputs;
  for (Row& row : rows) {
    if (number >= candidates[row.task].size()) continue;
    const Tokens& tokens = candidates[row.task][number];
    row.log_probabilities.push_back(
        static_cast<double>(row.first_logits[static_cast<std::size_t>(tokens.front())]) -
        row.first_normaliser);
    if (tokens.size() == 1) continue;
    row.cache->truncate(row.prompt_length);
    scored.push_back(&row);
    inputs.push_back({.cache = row.cache,
                      .tokens = std::span(tokens).first(tokens.size() - 1),
                      .logit_rows = static_cast<std::int32_t>(tokens.size() - 1)});
  }
  if (inputs.empty()) return;
  const std::vector<float> logits = decoder_.forward(inputs);
  const float* at = logits.data();
  for (Row* row : scored) {
    const Tokens& tokens = candidates[row->task][number];
    for (std::size_t t = 1; t < tokens.size(); ++t, at += vocabulary) {
      row->log_probabilities.back() +=
          static_cast<double>(at[tokens[t]]) - log_normaliser({at, vocabulary});
    }
  }
}

std::vector<DecodedAnswer> SequenceDecoder::decode(const std::vector<DecodingTask>& tasks) {
  std::vector<Row> rows;
  run_prompts(tasks, rows);
  extend_greedily(rows);
  std::vector<std::vector<Tokens>> candidates(tasks.size());
  std::size_t most = 0;
  for (const Row& row : rows) {
    auto& own = candidates[row.task];
    if (std::find(own.begin(), own.end(), row.candidate) == own.end()) {
      own.push_back(row.candidate);
    }
    most = std::max(most, own.size());
  }
  for (std::size_t number = 0; number < most; ++number) score(candidates, number, rows);

  std::vector<DecodedAnswer> answers;
  auto row = rows.begin();
  for (std::size_t t = 0; t < tasks.size(); ++t) {
    const std::vector<double> prior = log_prior(tasks[t].scores, score_scale_);
    DecodedAnswer best;
    for (std::size_t c = 0; c < candidates[t].size(); ++c) {
      std::vector<double> joint;
      for (std::size_t k = 0; k < prior.size(); ++k) {
        joint.push_back(prior[k] + row[static_cast<std::ptrdiff_t>(k)].log_probabilities[c]);
      }
      const double marginal = log_sum_exp(joint);
      if (c == 0 || marginal > best.log_probability) {
        best.tokens = candidates[t][c];
        best.log_probability = marginal;
      }
    }
    best.candidates = static_cast<std::int32_t>(candidates[t].size());
    answers.push_back(std::move(best));
    row += static_cast<std::ptrdiff_t>(prior.size());
  }
  return answers;
}

}  // namespace rookery::trainer
