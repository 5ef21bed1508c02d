#include "serving/ralm_bench.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "base/error.hpp"
#include "serving/detail/answer_json.hpp"

namespace rookery::serving {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int32_t kPrefetch = 20;  // the paper's P

std::string format(const char* pattern, auto... values) {
  std::array<char, 256> line{};
  std::snprintf(line.data(), line.size(), pattern, values...);
  return line.data();
}

}  // namespace

std::vector<BenchVariant> parse_variants(const std::vector<std::string>& names,
                                         const Speculation& speculation) {
  std::vector<BenchVariant> variants;
  for (const std::string& name : names) {
    BenchVariant variant{name, speculation};
    if (name == "B") {
      variant.speculation.stride = 0;
    } else if (name == "P") {
      variant.speculation.prefetch = kPrefetch;
    } else if (name != "spec") {
      throw base::UserError("--variants: expected names among B, spec, P, got '" + name + "'");
    }
    variants.push_back(std::move(variant));
  }
  if (variants.empty()) throw base::UserError("--variants: expected at least one of B, spec, P");
  return variants;
}

retriever_pool::RetrievalAnswer DelayedRetriever::retrieve(
    const retriever_pool::RetrievalRequest& request) {
  std::this_thread::sleep_for(delay_);
  return retriever_.retrieve(request);
}

RalmBench::RalmBench(Answerer& answerer, Generator& generator, std::vector<BenchVariant> variants)
    : answerer_(answerer), generator_(generator), variants_(std::move(variants)) {}

void RalmBench::serve(const std::string& name, const Question& question) {
  Run run;
  run.question = name;
  run.answers.resize(variants_.size());
  for (std::size_t i = 0; i < variants_.size(); ++i) {
    const std::size_t variant = (i + runs_.size()) % variants_.size();
    Question asked = question;
    asked.speculation = variants_[variant].speculation;
    generator_.forget();
    run.answers[variant] = answerer_.answer(asked, {});
  }
  runs_.push_back(std::move(run));
}

std::string RalmBench::note() const {
  if (runs_.empty()) return {};
  const std::string& question = runs_.back().question;
  return question.size() > 40 ? question.substr(0, 37) + "..." : question;
}

std::optional<std::size_t> RalmBench::find(bool baseline) const {
  for (std::size_t i = 0; i < variants_.size(); ++i) {
    if ((variants_[i].speculation.stride == 0) == baseline) return i;
  }
  return std::nullopt;
}

Json RalmBench::row(std::size_t variant) const {
  const auto mean = [&](auto value) {
    double sum = 0;
    for (const Run& run : runs_) sum += static_cast<double>(value(run.answers[variant]));
    return runs_.empty() ? 0.0 : sum / static_cast<double>(runs_.size());
  };
  const std::size_t reference = find(true).value_or(0);
  const bool identical = std::all_of(runs_.begin(), runs_.end(), [&](const Run& run) {
    return run.answers[variant].tokens == run.answers[reference].tokens &&
           run.answers[variant].finish == run.answers[reference].finish;
  });
  Json row;
  row["variant"] = variants_[variant].name;
  row["stride"] = variants_[variant].speculation.stride;
  row["requests"] = runs_.size();
  row["seconds"] = mean([](const Answer& a) { return a.times.seconds; });
  row["generation_s"] = mean([](const Answer& a) { return a.times.generation_s; });
  row["encoding_s"] = mean([](const Answer& a) { return a.times.encoding_s; });
  row["retrieval_s"] = mean([](const Answer& a) { return a.times.retrieval_s; });
  row["lookup_s"] = mean([](const Answer& a) { return a.times.lookup_s; });
  row["first_token_s"] = mean([](const Answer& a) { return a.times.first_token_s; });
  row["tokens"] = mean([](const Answer& a) { return a.tokens.size(); });
  row["evaluated_tokens"] = mean([](const Answer& a) { return a.times.evaluated_tokens; });
  row["calls"] = mean([](const Answer& a) { return a.counts.calls; });
  row["queries"] = mean([](const Answer& a) { return a.counts.queries; });
  row["strides"] = mean([](const Answer& a) { return a.counts.strides; });
  row["wasted_strides"] = mean([](const Answer& a) { return a.counts.wasted_strides; });
  row["checked"] = mean([](const Answer& a) { return a.counts.checked; });
  row["hits"] = mean([](const Answer& a) { return a.counts.hits; });
  const double stride = mean([](const Answer& a) { return a.stride_seconds(); });
  const double call = mean([](const Answer& a) { return a.call_seconds(); });
  row["stride_s"] = stride;
  row["call_s"] = call;
  row["b_over_a"] = stride > 0 ? call / stride : 0.0;
  row["identical"] = identical;
  return row;
}

Json RalmBench::report() const {
  Json report;
  report["rows"] = Json::array();
  for (std::size_t i = 0; i < variants_.size(); ++i) report["rows"].push_back(row(i));

  const std::optional<std::size_t> baseline = find(true), speculative = find(false);
  report["answers"] = Json::array();
  for (const Run& run : runs_) {
    const Answer& shown = run.answers[0];
    Json entry = {{"question", run.question},         {"text", shown.text},
                  {"tokens", shown.tokens.size()},    {"finish_reason", to_string(shown.finish)},
                  {"token_hash", shown.token_hash()}, {"passages", detail::passages_of(shown)}};
    if (baseline && speculative) {
      const Answer& b = run.answers[*baseline];
      const Answer& s = run.answers[*speculative];
      entry["tokens_equal"] = b.tokens == s.tokens && b.finish == s.finish && b.text == s.text;
      entry["baseline_s"] = b.times.seconds;
      entry["speculative_s"] = s.times.seconds;
      entry["calls_baseline"] = b.counts.calls;
      entry["calls_speculative"] = s.counts.calls;
      entry["checked"] = s.counts.checked;
      entry["hits"] = s.counts.hits;
    }
    report["answers"].push_back(std::move(entry));
  }
  return report;
}

std::string RalmBench::table() const {
  std::string out =
      "variant  seconds  generation  encoding  retrieval   calls   hits  wasted  first text  "
      "identical\n";
  double ratio = 0;
  for (std::size_t i = 0; i < variants_.size(); ++i) {
    const Json r = row(i);
    const double checked = r["checked"], hits = r["hits"];
    out += format("%-7s  %7.2f  %10.2f  %8.2f  %9.3f  %6.1f  %5s  %6.1f  %8.2f s  %s\n",
                  variants_[i].name.c_str(), r["seconds"].get<double>(),
                  r["generation_s"].get<double>(), r["encoding_s"].get<double>(),
                  r["retrieval_s"].get<double>(), r["calls"].get<double>(),
                  checked > 0 ? format("%.0f%%", 100 * hits / checked).c_str() : "-",
                  r["wasted_strides"].get<double>(), r["first_token_s"].get<double>(),
                  r["identical"].get<bool>() ? "yes" : "NO");
    if (i == 0) {
      ratio = r["b_over_a"];
      out += format("         a = %.1f ms a stride of decoding, b = %.2f ms a retrieval call\n",
                    1e3 * r["stride_s"].get<double>(), 1e3 * r["call_s"].get<double>());
    }
  }
  out += format("b/a = %.3f: ", ratio);
  out += ratio < 1 ? "a retrieval costs less than one stride of decoding here, so speculation has "
                     "little to win and wrong\nguesses cost strides; it pays where retrieval is "
                     "slow (a large index, a far pool).\n"
                   : "a retrieval costs more than a stride of decoding: the regime in which "
                     "speculation pays.\n";
  return out;
}

}  // namespace rookery::serving
