#include "base/checksum.hpp"
#include "base/error.hpp"
#include "index_tools/detail/corpus_readers.hpp"
#include "index_tools/detail/line_reader.hpp"
#include "index_tools/detail/table_row.hpp"

#include <algorithm>
#include <array>

namespace rookery::index_tools::detail {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 3> kColumns{"id", "text", "title"};

std::string hash_of(std::string_view kind, std::string_view bytes) {
  base::Sha256 hash;
  hash.update(std::as_bytes(std::span(kind)));
  hash.update(std::as_bytes(std::span(bytes)));
  return hash.hex_digest();
}

std::vector<std::string> row_of(const LineReader& lines, std::string_view line,
                                std::size_t columns) {
  std::vector<std::string> fields = split_table_row(line, lines.where());
  if (fields.size() != columns) {
    throw base::UserError(lines.where() + "expected " + std::to_string(columns) +
                          " columns separated by tabs, got " + std::to_string(fields.size()));
  }
  return fields;
}

/// Whether the fields are `id`, `text` and `title`, in any order.
bool names_columns(std::vector<std::string> fields) {
  std::sort(fields.begin(), fields.end());
  return std::equal(fields.begin(), fields.end(), kColumns.begin(), kColumns.end());
}

/// `id TAB text TAB title` below a line that names the columns.
class TableCorpus final : public Corpus {
 public:
  TableCorpus(const fs::path& path, const CorpusOptions& options)
      : Corpus(path), lines_(path, options.line_bytes_max) {
    restart();
  }

  [[nodiscard]] std::string fingerprint() const override {
    return hash_of("table\n", lines_.bytes());
  }

 protected:
  void restart() override {
    lines_.rewind();
    const std::optional<std::string_view> header = lines_.next();
    const std::vector<std::string> names =
        header ? split_table_row(*header, lines_.where()) : std::vector<std::string>{};
    if (!names_columns(names)) {
      throw base::UserError(
          path().string() + ":1: expected a first line that names the columns id, text and " +
          "title, got " + (header ? "'" + std::string(header->substr(0, 60)) + "'" : "nothing") +
          "; for title and text without a header use --format title-text");
    }
    for (std::size_t column = 0; column < kColumns.size(); ++column) {
      position_[column] = static_cast<std::size_t>(
          std::find(names.begin(), names.end(), kColumns[column]) - names.begin());
    }
  }

  std::optional<SourceText> read() override {
    const std::optional<std::string_view> line = lines_.next();
    if (!line) return std::nullopt;
    std::vector<std::string> fields = row_of(lines_, *line, kColumns.size());
    SourceText source;
    source.source_id = std::move(fields[position_[0]]);
    source.text = std::move(fields[position_[1]]);
    source.title = std::move(fields[position_[2]]);
    source.line = lines_.line();
    if (source.source_id.empty()) {
      throw base::UserError(lines_.where() + "id: expected an id, got an empty field");
    }
    return source;
  }

 private:
  LineReader lines_;
  std::array<std::size_t, 3> position_{};
};

/// `title TAB text`, without a header.
class TitleTextCorpus final : public Corpus {
 public:
  TitleTextCorpus(const fs::path& path, const CorpusOptions& options)
      : Corpus(path), lines_(path, options.line_bytes_max) {}

  [[nodiscard]] std::string fingerprint() const override {
    return hash_of("title-text\n", lines_.bytes());
  }

 protected:
  void restart() override { lines_.rewind(); }

  std::optional<SourceText> read() override {
    const std::optional<std::string_view> line = lines_.next();
    if (!line) return std::nullopt;
    std::vector<std::string> fields = row_of(lines_, *line, 2);
    SourceText source;
    source.title = std::move(fields[0]);
    source.text = std::move(fields[1]);
    source.line = lines_.line();
    return source;
  }

 private:
  LineReader lines_;
};

}  // namespace

std::unique_ptr<Corpus> open_table_corpus(const fs::path& path, const CorpusOptions& options) {
  return std::make_unique<TableCorpus>(path, options);
}

std::unique_ptr<Corpus> open_title_text_corpus(const fs::path& path, const CorpusOptions& options) {
  return std::make_unique<TitleTextCorpus>(path, options);
}

bool has_table_header(const fs::path& path, const CorpusOptions& options) {
  LineReader lines(path, options.line_bytes_max);
  const std::optional<std::string_view> first = lines.next();
  // A header has no quotes; anything that has is left to the reader of rows, which can complain.
  return first && first->find('"') == std::string_view::npos &&
         names_columns(split_table_row(*first, lines.where()));
}

}  // namespace rookery::index_tools::detail
