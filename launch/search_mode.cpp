#include "launch/search_mode.hpp"

#include <charconv>
#include <filesystem>
#include <sstream>

#include "base/atomic_file.hpp"
#include "base/error.hpp"
#include "base/option_reader.hpp"
#include "launch/open_retriever.hpp"

namespace rookery::launch {
namespace {

using index_tools::IndexKind;
using namespace retriever_pool;

std::vector<std::string> read_lines(const char* option, const std::string& file) {
  if (file.empty()) return {};
  const auto path = base::expand_path(file);
  std::error_code missing;
  const auto bytes = std::filesystem::file_size(path, missing);
  if (missing) {
    throw base::UserError(std::string(option) + ": expected a file with one entry a line, got '" +
                          file + "'");
  }
  if (bytes > static_cast<std::uintmax_t>(kFilterBytesMax)) {
    throw base::UserError(std::string(option) + ": expected at most " +
                          std::to_string(kFilterBytesMax) + " bytes, got " + std::to_string(bytes));
  }
  return entry_lines(base::read_file(path));
}

void append(std::vector<std::string>& list, std::vector<std::string> more) {
  for (std::string& entry : more) list.push_back(std::move(entry));
}

}  // namespace

SearchMode search_mode(const std::string& name) {
  if (name.empty()) return {"default", std::nullopt, false};
  if (name == "hybrid") return {name, std::nullopt, true};
  std::string names;
  for (const IndexKind kind : index_tools::index_kinds()) {
    if (index_tools::to_string(kind) == name) return {name, kind, false};
    names += index_tools::to_string(kind) + ", ";
  }
  throw base::UserError("--kind: expected one of " + names + "hybrid, got '" + name + "'");
}

std::vector<SearchMode> search_modes(const std::string& names) {
  std::vector<SearchMode> modes;
  std::istringstream stream(names);
  for (std::string name; std::getline(stream, name, ',');) modes.push_back(search_mode(name));
  if (modes.empty()) modes.push_back(search_mode(""));
  return modes;
}

bool needs_vectors(const SearchMode& mode, const IndexDescription& index) {
  if (mode.hybrid) return true;
  return mode.kind.value_or(index.default_kind) != IndexKind::kBm25;
}

PassageFilter read_filter(const FilterArguments& arguments) {
  PassageFilter filter = arguments.lists;
  append(filter.allow_titles, read_lines("--allow-titles-file", arguments.allow_titles_file));
  append(filter.deny_titles, read_lines("--deny-titles-file", arguments.deny_titles_file));
  for (const auto& line : read_lines("--deny-ids-file", arguments.deny_ids_file)) {
    std::int64_t id = 0;
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), id);
    if (error != std::errc() || end != line.data() + line.size()) {
      throw base::UserError("--deny-ids-file: expected passage ids, one a line, got '" + line +
                            "'");
    }
    filter.deny_ids.push_back(id);
  }
  try {
    check_filter(filter);
  } catch (const RetrievalError& error) {
    throw base::UserError(error.what());
  }
  return filter;
}

RetrievalAnswer ask(Retriever& pool, const SearchMode& mode, const AskedQuestions& questions,
                    RetrievalRequest request, const FusionOptions& fusion) {
  request.kind = mode.kind;
  if (mode.hybrid) {
    request.texts = questions.texts;
    request.queries = questions.vectors;
    try {
      return retrieve_hybrid(pool, request, fusion);
    } catch (const RetrievalError& error) {
      throw base::UserError(std::string("no answer from the pool: ") + error.what());
    }
  }
  if (needs_vectors(mode, pool.description())) {
    request.queries = questions.vectors;
  } else {
    request.texts = questions.texts;
  }
  return retrieve_or_explain(pool, request);
}

}  // namespace rookery::launch
