#include "trainer/train_report.hpp"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace rookery::trainer {

double quantile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  const auto last = static_cast<double>(values.size() - 1);
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(share * last + 0.5);
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

std::string StepFigures::line(std::int32_t ranks) const {
  const double tokens_per_s =
      total_ms() > 0 ? static_cast<double>(tokens) * ranks * 1e3 / total_ms() : 0;
  char text[200];
  std::snprintf(text, sizeof text,
                "loss %.3f · encode %.0f ms · retrieval %.1f · forward %.0f · backward and "
                "all-reduce %.0f · update %.0f · %.0f tokens/s",
                loss, encode_ms, retrieval_ms, forward_ms, backward_ms, update_ms, tokens_per_s);
  return text;
}

std::string TrainReport::to_json() const {
  nlohmann::json rows = nlohmann::json::array();
  std::vector<double> retrieval, step_ms;
  std::int64_t tokens = 0;
  for (const auto& s : steps) {
    retrieval.push_back(s.retrieval_ms);
    step_ms.push_back(s.total_ms());
    tokens += s.tokens;
    rows.push_back({{"step", s.step},
                    {"loss", s.loss},
                    {"gradient_norm", s.gradient_norm},
                    {"learning_rate", s.learning_rate},
                    {"encode_ms", s.encode_ms},
                    {"retrieval_ms", s.retrieval_ms},
                    {"forward_ms", s.forward_ms},
                    {"backward_ms", s.backward_ms},
                    {"update_ms", s.update_ms},
                    {"tokens", s.tokens}});
  }
  const nlohmann::json json = {
      {"train_steps", losses.size()},
      {"first_step", first_step},
      {"train_seconds", train_seconds},
      {"checkpoint_seconds", checkpoint_seconds},
      {"ranks", ranks},
      {"losses", losses},
      {"retrieval_ms_p50", quantile(retrieval, 0.5)},
      {"retrieval_ms_p99", quantile(retrieval, 0.99)},
      {"step_ms_p50", quantile(step_ms, 0.5)},
      {"tokens_per_s",
       train_seconds > 0 ? static_cast<double>(tokens) * ranks / train_seconds : 0.0},
      {"index_generation", index_generation},
      {"checkpoint", checkpoint},
      {"steps", rows}};
  return json.dump(2) + "\n";
}

}  // namespace rookery::trainer
