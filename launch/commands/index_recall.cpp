#include "launch/commands/index_recall.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "base/atomic_file.hpp"
#include "base/error.hpp"
#include "base/option_reader.hpp"
#include "engine/text_encoder.hpp"
#include "engine/weights.hpp"
#include "index_tools/question_file.hpp"
#include "index_tools/snapshot.hpp"
#include "launch/open_retriever.hpp"
#include "launch/recall_curve.hpp"

namespace rookery::launch {
namespace {

struct RecallArguments {
  std::string snapshot, kind = "hnsw", questions, encoder = "minilm", json, svg;
  std::int64_t queries = 500;
  std::vector<std::int32_t> ks = {1, 5, 20}, settings;
  std::uint64_t seed = 1;
  int threads = 1;
};

std::vector<float> encode_questions(const RecallArguments& arguments,
                                    const retriever_pool::IndexDescription& index) {
  index_tools::QuestionFileOptions options;
  options.limit = arguments.queries;
  std::vector<std::string> texts;
  for (const auto& question : index_tools::read_questions(arguments.questions, options)) {
    texts.push_back(question.question);
  }
  const auto encoder =
      engine::open_text_encoder(engine::resolve_model(arguments.encoder), engine::EncoderOptions{});
  check_encoder_fits(index, encoder->identity());
  return encoder->encode(texts);
}

// Rows of the snapshot, each moved by a random vector of 0.3 times its length: near to something,
// as a question is, and equal to nothing.
std::vector<float> perturbed_rows(const RecallArguments& arguments,
                                  const retriever_pool::IndexDescription& index) {
  std::mt19937_64 random(arguments.seed);
  std::normal_distribution<float> normal;
  std::vector<std::unique_ptr<index_tools::SnapshotShard>> shards;
  for (std::int32_t shard = 0; shard < index.shards; ++shard) {
    shards.push_back(index_tools::open_shard(base::expand_path(arguments.snapshot), shard));
  }
  const auto dimension = static_cast<std::size_t>(index.dimension);
  std::vector<float> queries(static_cast<std::size_t>(arguments.queries) * dimension);
  for (std::size_t at = 0; at < queries.size(); at += dimension) {
    const auto& shard = *shards[random() % shards.size()];
    const auto query = std::span(queries).subspan(at, dimension);
    index_tools::copy_vector(
        shard, static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(shard.count())),
        query);
    double squares = 0;
    for (const float x : query) squares += static_cast<double>(x) * static_cast<double>(x);
    const auto noise =
        static_cast<float>(0.3 * std::sqrt(squares / static_cast<double>(dimension)));
    for (float& x : query) x += noise * normal(random);
  }
  return queries;
}

void print_table(const RecallCurve& curve, const std::vector<std::int32_t>& ks) {
  std::printf("%10s", curve.knob.empty() ? "" : curve.knob.c_str());
  for (const std::int32_t k : ks) std::printf("%11s", ("recall@" + std::to_string(k)).c_str());
  std::printf("%11s%11s\n", "p50 ms", "p95 ms");
  for (const RecallPoint& point : curve.points) {
    std::printf("%10s",
                point.setting == 0 ? curve.kind.c_str() : std::to_string(point.setting).c_str());
    for (const std::int32_t k : ks) std::printf("%11.4f", point.recall.at(k));
    std::printf("%11.3f%11.3f\n", point.ms_p50, point.ms_p95);
  }
  std::printf("%10s", "exact");
  for (std::size_t i = 0; i < ks.size(); ++i) std::printf("%11.4f", 1.0);
  std::printf("%11.3f\n", curve.exact_ms_p50);
}

void run_index_recall(RecallArguments arguments) {
  std::sort(arguments.ks.begin(), arguments.ks.end());
  arguments.ks.erase(std::unique(arguments.ks.begin(), arguments.ks.end()), arguments.ks.end());
  RecallCurveOptions options;
  options.kind = index_tools::index_kind_from_name(arguments.kind);
  options.ks = arguments.ks;
  options.settings = arguments.settings;
  retriever_pool::EmbeddedPoolOptions pool_options;
  pool_options.snapshot = base::expand_path(arguments.snapshot).string();
  pool_options.threads = arguments.threads;
  const auto pool = retriever_pool::open_embedded_pool(pool_options);
  const retriever_pool::IndexDescription index = pool->description();
  if (index.dimension == 0) {
    throw base::UserError(arguments.snapshot +
                          ": expected a snapshot with vectors, got one without; recall compares "
                          "with exact search over them");
  }
  const bool asked = !arguments.questions.empty();
  const std::vector<float> queries =
      asked ? encode_questions(arguments, index) : perturbed_rows(arguments, index);
  const RecallCurve curve = measure_recall_curve(*pool, queries, options);

  const std::string source =
      asked ? "questions of " + arguments.questions : "perturbed rows of the snapshot";
  std::printf("%s over %lld passages x %d in %d shards, %lld %s\n", curve.kind.c_str(),
              static_cast<long long>(index.passages), index.dimension, index.shards,
              static_cast<long long>(curve.queries), source.c_str());
  print_table(curve, arguments.ks);
  if (!arguments.svg.empty()) {
    const std::string title = curve.kind + ", " + std::to_string(index.passages) + " passages × " +
                              std::to_string(index.dimension) + ", " +
                              std::to_string(curve.queries) + " queries";
    base::write_file_atomically(arguments.svg, draw_recall_curve(curve, title));
  }
  if (arguments.json.empty()) return;
  nlohmann::json json = to_json(curve);
  json["snapshot"] = arguments.snapshot;
  json["generation"] = index.generation;
  json["passages"] = index.passages;
  json["dimension"] = index.dimension;
  json["shards"] = index.shards;
  json["threads"] = arguments.threads;
  json["source"] = asked ? "questions" : "perturbed rows";
  base::write_file_atomically(arguments.json, json.dump(2) + "\n");
}

}  // namespace

void add_index_recall(CLI::App& index) {
  const auto arguments = std::make_shared<RecallArguments>();  // lives as long as the callback
  CLI::App* command = index.add_subcommand(
      "recall", "What an approximate index finds of what exact search finds, and how fast");
  command->add_option("snapshot", arguments->snapshot, "A snapshot, or one of its generations")
      ->required();
  command->add_option("--kind", arguments->kind, "hnsw, ivfpq or int8")->capture_default_str();
  command->add_option("--queries", arguments->queries, "How many")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1'000'000}))
      ->capture_default_str();
  command->add_option("--questions", arguments->questions,
                      "JSON lines with questions; otherwise perturbed rows of the snapshot");
  command->add_option("--encoder", arguments->encoder, "Of the questions")->capture_default_str();
  command->add_option("-k", arguments->ks, "Numbers of documents, 1 to 1024 each")
      ->delimiter(',')
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command
      ->add_option("--settings", arguments->settings,
                   "Values of ef_search (hnsw) or nprobe (ivfpq), each in turn")
      ->delimiter(',')
      ->check(CLI::Range(1, 65'536));
  command->add_option("--threads", arguments->threads, "Search threads; 0: all usable cores")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  command->add_option("--seed", arguments->seed, "Of the perturbed rows")->capture_default_str();
  command->add_option("--json", arguments->json, "Write the figures to this file");
  command->add_option("--svg", arguments->svg, "Draw recall over time to this file");
  command->footer(
      "Example: rookery index recall data/wiki --kind hnsw --json recall.json --svg recall.svg");
  command->callback([arguments] { run_index_recall(*arguments); });
}

}  // namespace rookery::launch
