#include "launch/detail/blog_trainers.hpp"

#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.hpp"
#include "trainer/bench_steps.hpp"

namespace rookery::launch {
namespace {

using Json = nlohmann::json;

constexpr auto kStepTime = std::chrono::seconds(60);

}  // namespace

BlogTrainers::BlogTrainers(std::vector<LineProcess> ranks, BlogData& data)
    : data_(&data), ranks_(std::move(ranks)) {}

void BlogTrainers::begin(int compute_ms, bool check) {
  const Json request = {{"step", step_++}, {"compute_ms", compute_ms}, {"check", check}};
  for (LineProcess& rank : ranks_) rank.send(request);
}

Json BlogTrainers::answer(int rank) {
  LineProcess& process = ranks_[static_cast<std::size_t>(rank)];
  const std::string where = process.name() + ", rank " + std::to_string(rank) + ": ";
  const auto line = process.read_line(kStepTime);
  if (!line) throw base::UserError(where + (process.ended() ? "ended early" : "silent for 60 s"));
  Json json = Json::parse(*line, nullptr, false);
  if (json.is_object() && json.contains("error")) {
    throw base::UserError(where + json["error"].dump());
  }
  if (!json.is_object() || !json.contains("s")) {
    throw base::UserError(where + "expected a line of JSON, got " + line->substr(0, 200));
  }
  return json;
}

std::vector<double> BlogTrainers::step(int compute_ms) {
  begin(compute_ms);
  std::vector<double> seconds;
  for (int rank = 0; rank < size(); ++rank) seconds.push_back(answer(rank).at("s"));
  return seconds;
}

double BlogTrainers::checked_step(int compute_ms) {
  const std::int64_t step = step_;
  begin(compute_ms, true);
  double recall = 0;
  for (int rank = 0; rank < size(); ++rank) {
    const Json json = answer(rank);
    const trainer::BenchTrainer trainer = {.queries = {},
                                           .rank = rank,
                                           .ranks = size(),
                                           .batch = BlogData::kBatch,
                                           .k = BlogData::kDocuments};
    recall += data_->recall(trainer::bench_rows(trainer, step, BlogData::kQueries), json.at("ids"),
                            json.at("ends"));
  }
  return recall / size();
}

BlogTrainers::Outcome BlogTrainers::finish(int rank, std::chrono::milliseconds timeout) {
  LineProcess& process = ranks_[static_cast<std::size_t>(rank)];
  const auto line = process.read_line(timeout);
  if (!line) return {{}, process.ended() ? "the process ended" : ""};
  const Json json = Json::parse(*line, nullptr, false);
  if (json.is_object() && json.contains("s")) return {json["s"].get<double>(), ""};
  if (json.is_object() && json.contains("error")) return {{}, json["error"].get<std::string>()};
  return {{}, line->substr(0, 200)};
}

}  // namespace rookery::launch
