#include "launch/commands.hpp"

#include "base/error.hpp"
#include "base/option_reader.hpp"
#include "index_tools/question_pairs.hpp"
#include "launch/commands/index_arguments.hpp"
#include "launch/commands/index_build.hpp"
#include "launch/commands/index_datastore.hpp"
#include "launch/commands/index_diff.hpp"
#include "launch/commands/index_export.hpp"
#include "launch/commands/index_import.hpp"
#include "launch/commands/index_info.hpp"
#include "launch/commands/index_recall.hpp"
#include "launch/commands/index_rewrite.hpp"

#include <CLI/CLI.hpp>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

namespace rookery::launch {
namespace {

namespace fs = std::filesystem;

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
  write_figures(json, {{"sources", pairs.sources},
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
      app.add_subcommand("index", "Builds, describes, checks and changes snapshots of a corpus");
  index->require_subcommand(1);
  index->footer("Example: rookery index build --corpus wiki --shards 2 --out data/wiki");
  add_index_build(*index);
  add_index_info(*index);
  add_index_rewrite(*index);
  add_index_diff(*index);
  add_questions(*index);
  add_index_import(*index);
  add_index_export(*index);
  add_index_datastore(*index);
  add_index_recall(*index);
}

}  // namespace rookery::launch
