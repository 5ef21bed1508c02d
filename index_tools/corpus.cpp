#include "index_tools/corpus.hpp"

#include "base/error.hpp"
#include "index_tools/detail/corpus_readers.hpp"
#include "index_tools/detail/utf8.hpp"

#include <algorithm>

namespace rookery::index_tools {
namespace fs = std::filesystem;
namespace {

CorpusFormat guess_format(const fs::path& path, const CorpusOptions& options) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(c < 128 ? std::tolower(c) : c); });
  std::error_code error;
  if (fs::is_directory(path, error) || extension == ".whl" || extension == ".zip" ||
      extension == ".json") {
    return CorpusFormat::kWiki;
  }
  if (extension == ".jsonl" || extension == ".ndjson") return CorpusFormat::kJsonLines;
  if (extension == ".tsv" || extension == ".txt") {
    return detail::has_table_header(path, options) ? CorpusFormat::kTable
                                                   : CorpusFormat::kTitleText;
  }
  if (extension == ".gz" || extension == ".xz" || extension == ".zst" || extension == ".bz2") {
    throw base::UserError(path.string() + ": is compressed; unpack it first");
  }
  throw base::UserError(path.string() + ": expected a corpus named .whl, .json, .jsonl, .ndjson, " +
                        ".tsv or .txt, got '" + path.filename().string() +
                        "'; say what it is with --format");
}

}  // namespace

const std::vector<std::string>& corpus_format_names() {
  static const std::vector<std::string> kNames{"auto", "wiki", "tsv", "title-text", "jsonl"};
  return kNames;
}

CorpusFormat corpus_format_from_name(std::string_view name) {
  const std::vector<std::string>& names = corpus_format_names();
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) {
    std::string list;
    for (const std::string& known : names) list += (list.empty() ? "" : ", ") + known;
    throw base::UserError("corpus format: expected one of " + list + ", got '" + std::string(name) +
                          "'");
  }
  return static_cast<CorpusFormat>(found - names.begin());
}

void Corpus::check_unique(const SourceText& source) {
  const std::int64_t place = source.line > 0 ? source.line : read_count_ - 1;
  const auto [first, inserted] = first_seen_.emplace(source.source_id, place);
  if (inserted) return;
  if (source.line > 0) {
    throw base::UserError(path_.string() + ":" + std::to_string(source.line) +
                          ": id: expected every id once, got '" + source.source_id +
                          "', which line " + std::to_string(first->second) + " has too");
  }
  throw base::UserError(path_.string() + ": id: expected every id once, got '" + source.source_id +
                        "' in entry " + std::to_string(place) + ", which entry " +
                        std::to_string(first->second) + " has too");
}

std::optional<SourceText> Corpus::next() {
  while (std::optional<SourceText> source = read()) {
    if (source->source_id.empty()) {
      source->source_id = std::to_string(first_number_ + read_count_);
    }
    ++read_count_;
    check_unique(*source);
    if (detail::is_blank(source->text)) {
      ++empty_texts_;
      continue;
    }
    ++sources_;
    return source;
  }
  return std::nullopt;
}

void Corpus::rewind() {
  restart();
  read_count_ = sources_ = empty_texts_ = 0;
  first_seen_.clear();
}

std::unique_ptr<Corpus> open_corpus(const fs::path& path, const CorpusOptions& options) {
  std::error_code error;
  if (!fs::exists(path, error)) {
    throw base::UserError(path.string() + ": no such corpus");
  }
  const CorpusFormat format =
      options.format == CorpusFormat::kAuto ? guess_format(path, options) : options.format;
  if (format != CorpusFormat::kWiki && !fs::is_regular_file(path, error)) {
    throw base::UserError(path.string() + ": expected a corpus file, got a folder or device");
  }
  switch (format) {
    case CorpusFormat::kTable:
      return detail::open_table_corpus(path, options);
    case CorpusFormat::kTitleText:
      return detail::open_title_text_corpus(path, options);
    case CorpusFormat::kJsonLines:
      return detail::open_json_lines_corpus(path, options);
    case CorpusFormat::kWiki:
    case CorpusFormat::kAuto:
      break;
  }
  return detail::open_wiki_corpus(path, options);
}

}  // namespace rookery::index_tools
