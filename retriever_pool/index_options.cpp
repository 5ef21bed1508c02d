#include "retriever_pool/index_options.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "base/atomic_file.hpp"
#include "base/error.hpp"
#include "retriever_pool/request_checks.hpp"

namespace rookery::retriever_pool {
namespace {

/// The entries of a list and of the file beside it, one a line; empty lines are skipped.
std::vector<std::string> read_entries(base::OptionReader& reader, const std::string& key) {
  std::vector<std::string> entries;
  reader.read(key, entries);
  std::filesystem::path file;
  reader.read(key + "_file", file);
  if (file.empty()) return entries;
  std::error_code missing;
  const auto bytes = std::filesystem::file_size(file, missing);
  if (missing)
    reader.fail(key + "_file", "a file with one entry a line", "'" + file.string() + "'");
  if (bytes > static_cast<std::uintmax_t>(kFilterBytesMax)) {
    reader.fail(key + "_file", "at most " + std::to_string(kFilterBytesMax) + " bytes",
                std::to_string(bytes));
  }
  for (std::string& line : entry_lines(base::read_file(file))) entries.push_back(std::move(line));
  return entries;
}

std::vector<std::int64_t> read_ids(base::OptionReader& reader, const std::string& key) {
  std::vector<std::int64_t> ids;
  for (const std::string& entry : read_entries(reader, key)) {
    std::int64_t id = 0;
    const auto [end, error] = std::from_chars(entry.data(), entry.data() + entry.size(), id);
    if (error != std::errc() || end != entry.data() + entry.size()) {
      reader.fail(reader.has(key) ? key : key + "_file", "passage ids", "'" + entry + "'");
    }
    ids.push_back(id);
  }
  return ids;
}

PassageFilter read_filter(base::OptionReader reader) {
  PassageFilter filter;
  filter.allow_ids = read_ids(reader, "allow_ids");
  filter.deny_ids = read_ids(reader, "deny_ids");
  filter.allow_titles = read_entries(reader, "allow_titles");
  filter.deny_titles = read_entries(reader, "deny_titles");
  filter.allow_topics = read_entries(reader, "allow_topics");
  filter.deny_topics = read_entries(reader, "deny_topics");
  reader.finish();
  try {
    check_filter(filter);
  } catch (const RetrievalError& error) {
    reader.fail("", "a filter within its limits", error.what());
  }
  return filter;
}

}  // namespace

bool is_index_name(const std::string& name) {
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  return !name.empty() && name.size() <= 32 && letter(name[0]) &&
         std::all_of(name.begin(), name.end(),
                     [&](char c) { return letter(c) || c == '.' || c == '_' || c == '-'; });
}

IndexOptions IndexOptions::from_options(base::OptionReader reader) {
  IndexOptions options;
  reader.read("name", options.name);
  if (!is_index_name(options.name)) {
    reader.fail("name", "a name of 1 to 32 of a-z A-Z 0-9 . _ - that starts with none of . _ -",
                "'" + options.name + "'");
  }
  reader.read("path", options.path);
  std::vector<std::string> names;
  for (const auto kind : index_tools::index_kinds()) names.push_back(to_string(kind));
  std::string name;
  reader.read("kind", name, names);
  if (!name.empty()) options.kind = index_tools::index_kind_from_name(name);
  reader.read("ef_search", options.tuning.ef_search, 0, kEfSearchMax);
  reader.read("nprobe", options.tuning.nprobe, 0, kNprobeMax);
  reader.read("candidates", options.tuning.candidates, 0, kCandidatesMax);
  reader.read("replicas", options.replicas, 1, 64);
  auto swap = reader.section("swap");
  swap.read("recall_min", options.swap.recall_min, 0.0, 1.0);
  swap.finish();
  auto retain_s = static_cast<std::int32_t>(options.swap.retain.count() / 1000);
  reader.read("retain_s", retain_s, 0, 86'400);
  options.swap.retain = std::chrono::seconds(retain_s);
  reader.read("keep_generations", options.swap.keep_generations, 0, 1000);
  options.filter = read_filter(reader.section("filter"));
  reader.finish();
  return options;
}

EmbeddedPoolOptions IndexOptions::embedded(int threads) const {
  EmbeddedPoolOptions options;
  options.snapshot = path.string();
  options.threads = threads;
  options.kind = kind;
  options.tuning = tuning;
  options.filter = filter;
  return options;
}

}  // namespace rookery::retriever_pool
