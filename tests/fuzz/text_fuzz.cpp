// Texts from outside: corpora, index specs, manifests.
#include "base/checksum.hpp"
#include "base/error.hpp"
#include "index_tools/corpus.hpp"
#include "index_tools/index_spec.hpp"
#include "index_tools/manifest.hpp"
#include "tests/fuzz/fuzz_input.hpp"
#include "tests/fuzz/fuzz_targets.hpp"

#include <nlohmann/json.hpp>

#include <string>

namespace rookery::fuzz {
namespace {

using Json = nlohmann::json;

bool read_corpus(const MemoryFile& file, index_tools::CorpusFormat format) {
  index_tools::CorpusOptions options;
  options.format = format;
  options.line_bytes_max = 4096;
  try {
    const auto corpus = index_tools::open_corpus(file.path(), options);
    std::int64_t sources = 0;
    while (const auto source = corpus->next()) {
      require(!source->source_id.empty() && !source->text.empty(), "a source without id or text");
      ++sources;
    }
    require(sources == corpus->sources(), "another number of sources than counted");
    corpus->rewind();
    require(corpus->next().has_value() == (sources > 0), "another corpus behind rewind");
    return true;
  } catch (const base::UserError&) {
    return false;
  }
}

bool read_manifest(const std::string& text) {
  try {
    const auto manifest = index_tools::Manifest::from_json(text, "manifest.json");
    // What is accepted can be written, and says the same again.
    const std::string written = manifest.to_json();
    require(index_tools::Manifest::from_json(written, "written").to_json() == written,
            "a manifest that changes when it is written");
    return true;
  } catch (const base::UserError&) {
    return false;
  }
}

}  // namespace

int fuzz_table(std::span<const std::byte> bytes) {
  const MemoryFile file(bytes);
  const bool named = read_corpus(file, index_tools::CorpusFormat::kTable);
  return read_corpus(file, index_tools::CorpusFormat::kTitleText) || named ? 1 : 0;
}

int fuzz_json_lines(std::span<const std::byte> bytes) {
  return read_corpus(MemoryFile(bytes), index_tools::CorpusFormat::kJsonLines) ? 1 : 0;
}

int fuzz_index_spec(std::span<const std::byte> bytes) {
  try {
    const index_tools::IndexSpec spec = index_tools::parse_index_spec(as_text(bytes));
    require(index_tools::parse_index_spec(to_string(spec)) == spec,
            "a spec that changes when it is written");
    return 1;
  } catch (const base::UserError&) {
    return 0;
  }
}

int fuzz_manifest(std::span<const std::byte> bytes) {
  const std::string text(as_text(bytes));
  const bool sound = read_manifest(text);
  // No mutation finds the checksum over the rest, so it is put right here.
  Json document = Json::parse(text, nullptr, false);
  if (!document.is_object()) return sound ? 1 : 0;
  document.erase("checksum");
  const std::string canonical = document.dump(-1, ' ', true, Json::error_handler_t::replace);
  document["checksum"] = base::sha256_hex(std::as_bytes(std::span(canonical)));
  const std::string mended = document.dump(-1, ' ', true, Json::error_handler_t::replace);
  return read_manifest(mended) || sound ? 1 : 0;
}

}  // namespace rookery::fuzz
