#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "engine/decoder.hpp"
#include "engine/text_encoder.hpp"
#include "retriever_pool/retriever.hpp"
#include "trainer/prompt.hpp"
#include "index_tools/question_file.hpp"

namespace rookery::trainer {

struct QaOptions {
  std::int32_t documents = 5;          ///< passages per question, [1, 64]
  double score_scale = 20.0;           ///< as in training
  PromptOptions prompt;                ///< as in training
  bool shuffle_passages = false;       ///< control: every question gets another one's passages
  std::int64_t seed = 1;               ///< of that shuffle
  std::int32_t questions_at_once = 4;  ///< share forward passes; cannot change results
  std::chrono::milliseconds deadline{5'000};
};

struct QaPrediction {
  std::string question, prediction, top_title;
  std::vector<std::string> answers;
  double em = 0, f1 = 0;  ///< 0 or 1; [0, 1]
  std::int32_t candidates = 0;
};

/// All figures in percent.
struct QaReport {
  std::int64_t questions = 0;
  double em = 0, f1 = 0;
  double em_copy_top1 = 0;  ///< the title of the best passage as the answer
  /// By k: the share of questions with a passage among the best k that holds an answer, or that is
  /// the one the question names (by its id or its source's).
  std::map<std::int32_t, double> recall_by_answer, recall_by_passage_id;
  bool shuffled = false;
  double seconds = 0, encode_seconds = 0, retrieval_ms_p50 = 0;
  std::vector<QaPrediction> predictions;

  [[nodiscard]] std::string to_json() const;
};

/// Answers every question from all its retrieved passages and compares with the answers given.
/// `progress` is told how many are done. Source of EM and F1: specs/hf-rag.md 5.
QaReport evaluate_qa(engine::Decoder& decoder, engine::TextEncoder& encoder,
                     retriever_pool::Retriever& retriever,
                     const std::vector<index_tools::Question>& questions, const QaOptions& options,
                     const std::function<void(std::int64_t done, double em)>& progress);

/// Where each question's passages come from in the shuffled control: a fixed permutation in which
/// nobody keeps its own (with two questions or more).
std::vector<std::int64_t> shuffled_sources(std::int64_t count, std::int64_t seed);

}  // namespace rookery::trainer
