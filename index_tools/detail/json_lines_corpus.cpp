#include "base/checksum.hpp"
#include "base/error.hpp"
#include "index_tools/detail/corpus_readers.hpp"
#include "index_tools/detail/json_line.hpp"
#include "index_tools/detail/line_reader.hpp"

namespace rookery::index_tools::detail {
namespace {

namespace fs = std::filesystem;

class JsonLinesCorpus final : public Corpus {
 public:
  JsonLinesCorpus(const fs::path& path, const CorpusOptions& options)
      : Corpus(path), lines_(path, options.line_bytes_max) {}

  [[nodiscard]] std::string fingerprint() const override {
    base::Sha256 hash;
    constexpr std::string_view kKind = "jsonl\n";
    hash.update(std::as_bytes(std::span(kKind)));
    hash.update(std::as_bytes(std::span(lines_.bytes())));
    return hash.hex_digest();
  }

 protected:
  void restart() override { lines_.rewind(); }

  std::optional<SourceText> read() override {
    const std::optional<std::string_view> line = lines_.next();
    if (!line) return std::nullopt;
    const JsonLine object(*line, lines_.where());
    SourceText source;
    source.line = lines_.line();
    source.source_id = object.id("id");
    source.title = object.text_or_empty("title");
    source.text = object.text("text");
    source.description = object.text_or_empty("description");
    source.topic = object.text_or_empty("topic");
    return source;
  }

 private:
  LineReader lines_;
};

}  // namespace

std::unique_ptr<Corpus> open_json_lines_corpus(const fs::path& path, const CorpusOptions& options) {
  return std::make_unique<JsonLinesCorpus>(path, options);
}

}  // namespace rookery::index_tools::detail
