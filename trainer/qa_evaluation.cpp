#include "trainer/qa_evaluation.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <utility>

#include "text/answers.hpp"
#include "trainer/sampler.hpp"
#include "trainer/sequence_decoding.hpp"

namespace rookery::trainer {
namespace {

using Clock = std::chrono::steady_clock;
using Documents = std::vector<retriever_pool::Document>;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// Retrieves for one question a call, as an interactive user would.
std::vector<Documents> retrieve_all(engine::TextEncoder& encoder,
                                    retriever_pool::Retriever& retriever,
                                    const std::vector<index_tools::Question>& questions,
                                    const QaOptions& options, QaReport& report) {
  std::vector<std::string> texts;
  for (const auto& question : questions) texts.push_back(question.question);
  auto begin = Clock::now();
  const std::vector<float> vectors = encoder.encode(texts);
  report.encode_seconds = seconds_since(begin);
  const std::size_t dimension = vectors.size() / questions.size();
  std::vector<Documents> found;
  std::vector<double> times_ms;
  for (std::size_t i = 0; i < questions.size(); ++i) {
    begin = Clock::now();
    auto answer =
        retriever.retrieve({.queries = std::span(vectors).subspan(i * dimension, dimension),
                            .k = options.documents,
                            .want_passages = true,
                            .want_vectors = false,
                            .deadline = options.deadline});
    times_ms.push_back(seconds_since(begin) * 1e3);
    found.push_back(std::move(answer.rows.at(0)));
  }
  report.retrieval_ms_p50 = median(times_ms);
  return found;
}

bool is_named(const retriever_pool::Document& document, const index_tools::Question& question) {
  return document.source_id == question.passage_id ||
         std::to_string(document.id) == question.passage_id;
}

void measure_retrieval(const std::vector<index_tools::Question>& questions,
                       const std::vector<Documents>& found, const QaOptions& options,
                       QaReport& report) {
  const double share = 100.0 / static_cast<double>(questions.size());
  const bool named =
      std::any_of(questions.begin(), questions.end(),
                  [](const index_tools::Question& q) { return !q.passage_id.empty(); });
  for (const std::int32_t k : {1, 3, 5, 10, 20}) {
    if (k > options.documents) break;
    report.recall_by_answer[k] = 0;
    if (named) report.recall_by_passage_id[k] = 0;
    for (std::size_t i = 0; i < questions.size(); ++i) {
      const auto best =
          std::span(found[i]).first(std::min(found[i].size(), static_cast<std::size_t>(k)));
      const bool holds = std::any_of(best.begin(), best.end(), [&](const auto& document) {
        return text::contains_answer(document.text, questions[i].answers);
      });
      const bool has = std::any_of(best.begin(), best.end(), [&](const auto& document) {
        return is_named(document, questions[i]);
      });
      if (holds) report.recall_by_answer[k] += share;
      if (named && has) report.recall_by_passage_id[k] += share;
    }
  }
  for (std::size_t i = 0; i < questions.size(); ++i) {
    if (found[i].empty()) continue;
    report.em_copy_top1 += share * text::exact_match(found[i].front().title, questions[i].answers);
  }
}

}  // namespace

std::vector<std::int64_t> shuffled_sources(std::int64_t count, std::int64_t seed) {
  const std::vector<std::int64_t> ring = shuffled(count, seed, 0);
  std::vector<std::int64_t> source(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < ring.size(); ++i) {
    source[static_cast<std::size_t>(ring[i])] = ring[(i + 1) % ring.size()];
  }
  return source;
}

QaReport evaluate_qa(engine::Decoder& decoder, engine::TextEncoder& encoder,
                     retriever_pool::Retriever& retriever,
                     const std::vector<index_tools::Question>& questions, const QaOptions& options,
                     const std::function<void(std::int64_t, double)>& progress) {
  const auto begin = Clock::now();
  QaReport report;
  report.questions = static_cast<std::int64_t>(questions.size());
  report.shuffled = options.shuffle_passages;
  const std::vector<Documents> found = retrieve_all(encoder, retriever, questions, options, report);
  measure_retrieval(questions, found, options, report);
  std::vector<std::int64_t> source = shuffled(report.questions, 0, 0);
  std::sort(source.begin(), source.end());
  if (options.shuffle_passages) source = shuffled_sources(report.questions, options.seed);

  const PromptFormat format(decoder.tokenizer(), decoder.config().eos, options.prompt);
  SequenceDecoder sequences(decoder, format, options.score_scale);
  const auto group = static_cast<std::size_t>(options.questions_at_once);
  double correct = 0, overlap = 0;
  for (std::size_t first = 0; first < questions.size(); first += group) {
    const std::size_t last = std::min(first + group, questions.size());
    std::vector<DecodingTask> tasks;
    for (std::size_t i = first; i < last; ++i) {
      DecodingTask task;
      for (const auto& document : found[static_cast<std::size_t>(source[i])]) {
        task.prompts.push_back(format.prompt(document.title, document.text, questions[i].question));
        task.scores.push_back(document.score);
      }
      tasks.push_back(std::move(task));
    }
    const std::vector<DecodedAnswer> answers = sequences.decode(tasks);
    for (std::size_t i = first; i < last; ++i) {
      const DecodedAnswer& answer = answers[i - first];
      QaPrediction prediction;
      prediction.question = questions[i].question;
      prediction.answers = questions[i].answers;
      prediction.prediction = format.answer_text(answer.tokens);
      prediction.top_title = found[static_cast<std::size_t>(source[i])].front().title;
      prediction.em = text::exact_match(prediction.prediction, questions[i].answers);
      prediction.f1 = text::f1_score(prediction.prediction, questions[i].answers);
      prediction.candidates = answer.candidates;
      correct += prediction.em;
      overlap += prediction.f1;
      report.predictions.push_back(std::move(prediction));
    }
    if (progress) {
      progress(static_cast<std::int64_t>(last), 100.0 * correct / static_cast<double>(last));
    }
  }
  report.em = 100.0 * correct / static_cast<double>(questions.size());
  report.f1 = 100.0 * overlap / static_cast<double>(questions.size());
  report.seconds = seconds_since(begin);
  return report;
}

std::string QaReport::to_json() const {
  nlohmann::json json = {{"questions", questions},
                         {"em", em},
                         {"f1", f1},
                         {"em_copy_top1", em_copy_top1},
                         {"shuffled", shuffled},
                         {"seconds", seconds},
                         {"encode_seconds", encode_seconds},
                         {"retrieval_ms_p50", retrieval_ms_p50}};
  for (const auto& [k, value] : recall_by_answer) {
    json["recall_by_answer"][std::to_string(k)] = value;
  }
  for (const auto& [k, value] : recall_by_passage_id) {
    json["recall_by_passage_id"][std::to_string(k)] = value;
  }
  for (const auto& p : predictions) {
    json["predictions"].push_back({{"question", p.question},
                                   {"prediction", p.prediction},
                                   {"answers", p.answers},
                                   {"em", p.em},
                                   {"f1", p.f1},
                                   {"top_title", p.top_title},
                                   {"candidates", p.candidates}});
  }
  // Half a character at an answer's end is no reason to lose the report.
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace rookery::trainer
