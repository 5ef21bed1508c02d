#include "launch/commands/index_info.hpp"

#include "base/error.hpp"
#include "base/option_reader.hpp"
#include "index_tools/snapshot.hpp"
#include "launch/commands/index_arguments.hpp"

#include <CLI/CLI.hpp>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

namespace rookery::launch {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

void run_info(const std::string& snapshot, const std::string& json) {
  const fs::path folder = index_tools::resolve_generation(base::expand_path(snapshot));
  const index_tools::Manifest manifest = index_tools::load_manifest(folder);
  std::int64_t bytes = 0;
  Json shards = Json::array();
  for (const index_tools::ShardEntry& shard : manifest.shards) {
    std::int64_t shard_bytes = 0;
    Json files = Json::object();
    for (const index_tools::FileEntry& file : shard.files) {
      shard_bytes += file.bytes;
      files[file.path.substr(file.path.find('/') + 1)] = file.bytes;
    }
    bytes += shard_bytes;
    shards.push_back({{"shard", shard.shard},
                      {"passages", shard.passages},
                      {"bytes", shard_bytes},
                      {"files", std::move(files)}});
  }
  const engine::EncoderIdentity& encoder = manifest.encoder;
  std::printf("generation  %s   %s\n", manifest.generation.c_str(), folder.string().c_str());
  std::printf("corpus      %s\n", manifest.corpus.c_str());
  const std::string words = manifest.passage_words > 0
                                ? "at most " + std::to_string(manifest.passage_words) + " words"
                                : "whole texts";
  std::printf("passages    %s of %s sources (%s), next id %s\n", grouped(manifest.passages).c_str(),
              grouped(manifest.sources).c_str(), words.c_str(), grouped(manifest.next_id).c_str());
  if (manifest.has_encoder()) {
    std::printf("encoder     %s · %d-d, %s pooling, %s, at most %d tokens · model %s\n",
                encoder.name.c_str(), encoder.dimension, encoder.pooling.c_str(),
                encoder.normalised ? "normalised" : "not normalised", encoder.tokens_max,
                encoder.model_hash.substr(0, 12).c_str());
  } else {
    std::printf("encoder     none\n");
  }
  std::printf("vectors     %s\n", vectors_in_words(manifest).c_str());
  const Json indexes = index_figures(manifest);
  std::printf("searched by %s\n", kinds_in_words(manifest).c_str());
  for (const Json& entry : indexes) {
    std::printf("  %-8s  %s, %s\n", entry["kind"].get<std::string>().c_str(),
                entry["spec"].get<std::string>().c_str(),
                megabytes(entry["bytes"].get<std::int64_t>()).c_str());
  }
  std::printf("size        %s\n", megabytes(bytes).c_str());
  for (const Json& shard : shards) {
    std::string files;
    for (const auto& [name, size] : shard["files"].items()) {
      files += (files.empty() ? "" : ", ") + name + " " + megabytes(size.get<std::int64_t>());
    }
    std::printf("  shard %-3d %s passages, %s (%s)\n", shard["shard"].get<int>(),
                grouped(shard["passages"].get<std::int64_t>()).c_str(),
                megabytes(shard["bytes"].get<std::int64_t>()).c_str(), files.c_str());
  }
  write_figures(json, {{"generation", manifest.generation},
                       {"folder", folder.string()},
                       {"schema", manifest.schema},
                       {"corpus", manifest.corpus},
                       {"sources", manifest.sources},
                       {"passages", manifest.passages},
                       {"next_id", manifest.next_id},
                       {"passage_words", manifest.passage_words},
                       {"metric", manifest.metric},
                       {"dimension", manifest.dimension},
                       {"vectors", to_string(manifest.vectors)},
                       {"values", manifest.values},
                       {"indexes", indexes},
                       {"encoder", encoder.name},
                       {"encoder_hash", encoder.model_hash},
                       {"pooling", encoder.pooling},
                       {"normalised", encoder.normalised},
                       {"bytes", bytes},
                       {"shards", std::move(shards)}});
}

/// How a generation like this is built, where one command makes it.
std::string build_command(const index_tools::Manifest& manifest, const fs::path& folder) {
  if (manifest.corpus.find(" + ") != std::string::npos || manifest.values) return "";
  std::string command = " with: rookery index build --corpus " + manifest.corpus + " --encoder " +
                        (manifest.has_encoder() ? manifest.encoder.name : "none") + " --shards " +
                        std::to_string(manifest.shards.size()) + " --passage-words " +
                        std::to_string(manifest.passage_words);
  if (manifest.metric != "inner_product") command += " --metric " + manifest.metric;
  if (manifest.vectors == index_tools::VectorType::kFloat16) command += " --vectors float16";
  for (const std::string& spec : manifest.indexes) command += " --index " + spec;
  return command + " --out " + folder.parent_path().string();
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
    write_figures(json, {{"sound_blocks", 0}, {"damages", {{{"message", damage.what()}}}}});
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
  write_figures(json, {{"generation", manifest.generation},
                       {"sound_blocks", sound_blocks},
                       {"seconds", seconds},
                       {"damages", std::move(list)}});
  if (!damages.empty()) {
    std::printf("the other %s blocks are intact; restore the file, or build the snapshot again%s\n",
                grouped(sound_blocks).c_str(), build_command(manifest, folder).c_str());
    end_damaged();
  }
  std::printf(
      "generation %s is sound: all %s blocks of %zu shards match their checksums (%.2f s)\n",
      manifest.generation.c_str(), grouped(sound_blocks).c_str(), manifest.shards.size(), seconds);
}

void add_info_command(CLI::App& index) {
  CLI::App* command = index.add_subcommand("info", "Says what a snapshot holds");
  const auto arguments = add_snapshot_options(*command);
  command->footer("Example: rookery index info data/wiki");
  command->callback([arguments] { run_info(arguments->snapshot, arguments->json); });
}

void add_verify_command(CLI::App& index) {
  CLI::App* command =
      index.add_subcommand("verify", "Checks every block of a snapshot; exit code 1 if damaged");
  const auto arguments = add_snapshot_options(*command);
  command->footer("Example: rookery index verify data/wiki");
  command->callback([arguments] { run_verify(arguments->snapshot, arguments->json); });
}

}  // namespace

void add_index_info(CLI::App& index) {
  add_info_command(index);
  add_verify_command(index);
}

}  // namespace rookery::launch
