#pragma once

#include <nlohmann/json.hpp>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/progress.hpp"
#include "index_tools/corpus.hpp"
#include "index_tools/index_spec.hpp"
#include "index_tools/manifest.hpp"

namespace CLI {
class App;
}

namespace rookery::launch {

/// Writes the figures where `--json FILE` asks for them.
void write_figures(const std::string& path, const nlohmann::ordered_json& figures);

/// 1234567 as "1,234,567".
std::string grouped(std::int64_t number);
/// "12.3 MB".
std::string megabytes(std::int64_t bytes);

/// `wiki` and `minilm` stand for files that set-up has fetched.
bool is_short_name(const std::string& argument);

/// What `--corpus`, `--format` and `--language` say.
struct CorpusArguments {
  std::string corpus, format = "auto", language = "en-us";

  void add_to(CLI::App& command);
  [[nodiscard]] std::filesystem::path path() const;
  [[nodiscard]] index_tools::CorpusOptions options() const;
};

/// `snapshot` and `--json`.
struct SnapshotArguments {
  std::string snapshot, json;
};
std::shared_ptr<SnapshotArguments> add_snapshot_options(CLI::App& command);

/// `--index SPEC`, as often as there are indexes. `specs` must outlive the command.
void add_index_option(CLI::App& command, std::vector<std::string>& specs, bool required);
std::vector<index_tools::IndexSpec> parse_specs(const std::vector<std::string>& specs);

/// One progress bar after the other, a fresh one for each stage.
class StageProgress {
 public:
  void update(const std::string& stage, std::int64_t done, std::int64_t total,
              const std::string& unit, const std::string& note = "");
  void end() { bar_.reset(); }

 private:
  std::optional<base::Progress> bar_;
  std::string stage_;
};

/// "384-d float16, cosine", or "no vectors".
std::string vectors_in_words(const index_tools::Manifest& manifest);
/// "exact, int8, bm25".
std::string kinds_in_words(const index_tools::Manifest& manifest);

/// Kinds, sizes and the rest of a generation's index files: one object a spec, with `bytes`.
nlohmann::ordered_json index_figures(const index_tools::Manifest& manifest);

}  // namespace rookery::launch
