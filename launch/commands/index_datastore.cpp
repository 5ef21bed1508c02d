#include "launch/commands/index_datastore.hpp"

#include "base/atomic_file.hpp"
#include "base/option_reader.hpp"
#include "base/progress.hpp"
#include "index_tools/datastore.hpp"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace rookery::launch {
namespace {

using Json = nlohmann::ordered_json;

struct Arguments {
  std::vector<std::string> keys, values, indexes;
  std::string out, name, encoder_name, vector_type = "float32", json;
  std::int32_t shards = 1, threads = 0;
  bool allow_lossy = false;
};

void run(const Arguments& arguments) {
  const auto begin = std::chrono::steady_clock::now();
  index_tools::DatastoreFiles files;
  for (const std::string& file : arguments.keys) files.keys.push_back(base::expand_path(file));
  for (const std::string& file : arguments.values) {
    files.values.push_back(base::expand_path(file));
  }
  files.allow_lossy = arguments.allow_lossy;
  index_tools::DatastoreOptions options;
  options.out = base::expand_path(arguments.out);
  options.corpus_name = arguments.name;
  options.encoder.name = arguments.encoder_name;
  options.shards = arguments.shards;
  options.vector_type = index_tools::vector_type_from_name(arguments.vector_type);
  for (const std::string& spec : arguments.indexes) {
    options.indexes.push_back(index_tools::parse_index_spec(spec));
  }
  options.threads = arguments.threads;
  std::optional<base::Progress> progress;
  const index_tools::Manifest manifest =
      index_tools::build_datastore(files, options, [&](std::int64_t done, std::int64_t total) {
        if (!progress) progress.emplace("writing", total, "entries");
        done == total ? progress->finish("") : progress->update(done, "");
      });
  progress.reset();
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  std::printf("%s · generation %s · %" PRId64 " entries · %zu shards, %d-d, l2\n",
              arguments.out.c_str(), manifest.generation.c_str(), manifest.passages,
              manifest.shards.size(), manifest.dimension);
  std::printf("written in %.1f s\n", seconds);
  if (arguments.json.empty()) return;
  const Json figures{
      {"generation", manifest.generation}, {"folder", (options.out / manifest.generation).string()},
      {"entries", manifest.passages},      {"shards", manifest.shards.size()},
      {"dimension", manifest.dimension},   {"seconds", seconds}};
  base::write_file_atomically(arguments.json, figures.dump(2) + "\n");
}

}  // namespace

void add_index_datastore(CLI::App& index) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* command = index.add_subcommand(
      "datastore", "Makes a kNN datastore of keys (hidden states) and values (next tokens)");
  command->add_option("--keys", arguments->keys, "Parts of [entries, dimension] as .npy")
      ->required();
  command->add_option("--values", arguments->values, "Parts of [entries] as .npy of integers")
      ->required();
  command->add_option("--out", arguments->out, "The snapshot's folder")->required();
  command->add_option("--name", arguments->name, "What the entries were made of, for people");
  command->add_option("--encoder-name", arguments->encoder_name,
                      "The model that made the keys, for people");
  command->add_option("--shards", arguments->shards, "Parts that can be served apart, [1, 1024]")
      ->capture_default_str();
  command->add_option("--vector-type", arguments->vector_type, "Of the keys: float32 or float16")
      ->capture_default_str();
  command->add_option("--index", arguments->indexes, "Indexes to build: ivfpq:pq_bytes=64, int8");
  command->add_flag("--allow-lossy", arguments->allow_lossy,
                    "Round doubles to floats, take keys decoded from codes");
  command->add_option("--threads", arguments->threads, "To build indexes; 0: all usable cores");
  command->add_option("--json", arguments->json, "Write the figures to this file");
  command->footer(
      "Entry i becomes passage i: what followed it is found by looking up i + 1.\n"
      "Example: rookery index datastore --keys keys.npy --values values.npy --out data/store");
  command->callback([arguments] { run(*arguments); });
}

}  // namespace rookery::launch
