#pragma once

#include <chrono>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "serving/answerer.hpp"

namespace rookery::serving {

/// One way to serve the questions.
struct BenchVariant {
  std::string name;  ///< "B", "spec", "P"
  Speculation speculation;
};

/// `B` is the plain schedule, `spec` speculates with `speculation`, `P` the same with 20 documents
/// prefetched at the start. Throws `UserError` for other names and for none.
std::vector<BenchVariant> parse_variants(const std::vector<std::string>& names,
                                         const Speculation& speculation);

/// A pool that is further away: sleeps before every call. For measurements only.
class DelayedRetriever final : public retriever_pool::Retriever {
 public:
  /// `retriever` outlives this.
  DelayedRetriever(retriever_pool::Retriever& retriever, std::chrono::microseconds delay)
      : retriever_(retriever), delay_(delay) {}
  [[nodiscard]] retriever_pool::RetrievalAnswer retrieve(
      const retriever_pool::RetrievalRequest& request) override;
  [[nodiscard]] retriever_pool::IndexDescription description() override {
    return retriever_.description();
  }

 private:
  retriever_pool::Retriever& retriever_;
  std::chrono::microseconds delay_;
};

/// Serves questions by several variants and compares them.
class RalmBench {
 public:
  /// All outlive this. `generator` is the answerer's: it forgets between runs, so that no variant
  /// profits from another's KV.
  RalmBench(Answerer& answerer, Generator& generator, std::vector<BenchVariant> variants);
  /// Serves one question by every variant; which one begins changes from question to question.
  void serve(const std::string& name, const Question& question);
  [[nodiscard]] std::size_t questions() const { return runs_.size(); }
  /// Of the newest question: a short line for people.
  [[nodiscard]] std::string note() const;

  /// `rows[]`, one a variant: `variant`, `requests`, and means a request of `seconds`,
  /// `generation_s`, `encoding_s`, `retrieval_s`, `calls`, `queries`, `strides`, `wasted_strides`,
  /// `checked`, `hits`; `stride_s` (a), `call_s` (b), `b_over_a`; `identical`: every token equal to
  /// B's (the first variant's without B). `answers[]`, one a question: `question`, `text`,
  /// `tokens`, `token_hash`, `passages`, and where B and another variant ran `tokens_equal`,
  /// `baseline_s`, `speculative_s`, `calls_baseline`, `calls_speculative`, `checked`, `hits`.
  [[nodiscard]] nlohmann::ordered_json report() const;
  /// The rows as a table, and a line that says when speculation pays.
  [[nodiscard]] std::string table() const;

 private:
  struct Run {
    std::string question;
    std::vector<Answer> answers;  ///< by variant
  };
  /// The first variant without speculation, or with.
  [[nodiscard]] std::optional<std::size_t> find(bool baseline) const;
  [[nodiscard]] nlohmann::ordered_json row(std::size_t variant) const;

  Answerer& answerer_;
  Generator& generator_;
  std::vector<BenchVariant> variants_;
  std::vector<Run> runs_;
};

}  // namespace rookery::serving
