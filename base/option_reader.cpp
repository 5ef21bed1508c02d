#include "base/option_reader.hpp"

#include "base/atomic_file.hpp"
#include "base/error.hpp"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <map>
#include <set>
#include <sstream>
#include <string_view>
#include <system_error>
#include <utility>

namespace rookery::base {

namespace {

/// No options of ours come near this; it bounds what a hostile text can make the parser do.
constexpr std::size_t kTextBytesMax = 1 << 20;

struct Entry {
  std::string key;
  int line = 0;  ///< from 1
  YAML::Node value;
};

std::string quoted(const std::string& text) {
  constexpr std::size_t kShown = 80;
  if (text.size() <= kShown) return "'" + text + "'";
  auto end = kShown;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return "'" + text.substr(0, end) + "…'";
}

/// What a node is, in the words of a complaint.
std::string described(const YAML::Node& node) {
  if (node.IsMap()) return "a map";
  if (node.IsSequence()) return "a list";
  if (node.IsScalar()) return quoted(node.Scalar());
  return "nothing";
}

template <typename T>
std::string interval(T low, T high) {
  const bool open_below = low == std::numeric_limits<T>::lowest() ||
                          (std::is_floating_point_v<T> && std::isinf(static_cast<double>(low)));
  const bool open_above = high == std::numeric_limits<T>::max() ||
                          (std::is_floating_point_v<T> && std::isinf(static_cast<double>(high)));
  if (open_below && open_above) return "";
  if (open_above) return fmt::format(" of at least {}", low);
  if (open_below) return fmt::format(" of at most {}", high);
  return fmt::format(" in [{}, {}]", low, high);
}

std::string shown(bool value) { return value ? "true" : "false"; }
std::string shown(const std::string& value) { return value; }
std::string shown(const std::filesystem::path& value) { return value.string(); }
std::string shown(const std::vector<std::string>& value) {
  return fmt::format("[{}]", fmt::join(value, ", "));
}
std::string shown(std::chrono::milliseconds value) { return std::to_string(value.count()); }
std::string shown(const std::optional<std::int32_t>& value) {
  return value ? std::to_string(*value) : "";
}
template <typename T>
requires std::is_arithmetic_v<T> std::string shown(T value) { return fmt::format("{}", value); }

template <typename T>
bool parse_number(std::string_view text, T& number) {
  if (text.starts_with('+')) text.remove_prefix(1);
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  return code == std::errc() && end == text.data() + text.size() && !text.empty();
}

std::string joined(const std::vector<std::string>& words) {
  return fmt::format("{}", fmt::join(words, ", "));
}

/// Stops the parser at a second document.
class OneDocument : public YAML::EventHandler {
 public:
  explicit OneDocument(std::string name) : name_(std::move(name)) {}
  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ == 1) return;
    throw UserError(fmt::format("{}:{}: expected one YAML document, got another one", name_,
                                mark.is_null() ? 1 : mark.line + 1));
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t,
                const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}

 private:
  std::string name_;
  int documents_ = 0;
};

/// `YAML::LoadAll` would take a text such as "," for documents without end, and all memory with it.
void check_one_document(const std::string& text, const std::string& name) {
  std::istringstream stream(text);
  YAML::Parser parser(stream);
  OneDocument document(name);
  while (parser.HandleNextDocument(document)) {
  }
}

}  // namespace

struct OptionReader::Impl {
  std::string file;
  std::string path;  ///< "pool.search", empty for the root
  int line = 1;
  std::vector<Entry> entries;
  std::vector<std::string> known;  ///< keys that were asked for, in that order
  std::map<std::string, std::shared_ptr<Impl>> sections;
  std::shared_ptr<std::vector<OptionRecord>> records =
      std::make_shared<std::vector<OptionRecord>>();  ///< shared by all sections of a file

  /// Takes down what one `read` found, when it ends.
  template <typename Field>
  class Recording {
   public:
    Recording(Impl& impl, const std::string& key, std::string expected, const Field& field)
        : impl_(impl),
          field_(field),
          record_{impl.path_of(key), std::move(expected), shown(field), "", 0} {
      if (const Entry* entry = impl.find(key)) record_.line = entry->line;
    }
    ~Recording() {
      record_.value = shown(field_);
      impl_.records->push_back(std::move(record_));
    }
    Recording(const Recording&) = delete;
    Recording& operator=(const Recording&) = delete;

   private:
    Impl& impl_;
    const Field& field_;
    OptionRecord record_;
  };

  Impl(std::string file_name, std::string own_path, int own_line, const YAML::Node& node)
      : file(std::move(file_name)), path(std::move(own_path)), line(own_line) {
    if (node.IsDefined() && !node.IsNull()) take_entries(node);
  }

  [[nodiscard]] std::string path_of(const std::string& key) const {
    if (key.empty()) return path;
    return path.empty() ? key : path + "." + key;
  }

  [[noreturn]] void complain(int at, const std::string& where, const std::string& text) const {
    throw UserError(fmt::format("{}:{}: {}{}", file, at, where.empty() ? "" : where + ": ", text));
  }

  [[noreturn]] void expected(const Entry& entry, const std::string& what) const {
    complain(entry.line, path_of(entry.key),
             "expected " + what + ", got " + described(entry.value));
  }

  void take_entries(const YAML::Node& node) {
    if (!node.IsMap()) {
      complain(line, path, "expected a map of options, got " + described(node));
    }
    std::map<std::string, int> first_lines;
    for (const auto& pair : node) {
      const int at = pair.first.Mark().line + 1;
      if (!pair.first.IsScalar()) {
        complain(at, path, "expected a name as key, got " + described(pair.first));
      }
      const auto& key = pair.first.Scalar();
      const auto [first, fresh] = first_lines.emplace(key, at);
      if (!fresh) {
        complain(at, path_of(key),
                 fmt::format("expected each key once, got '{}' again after line {}", key,
                             first->second));
      }
      entries.push_back({key, at, pair.second});
    }
  }

  [[nodiscard]] const Entry* find(const std::string& key) const {
    const auto found =
        std::find_if(entries.begin(), entries.end(), [&](const Entry& e) { return e.key == key; });
    return found == entries.end() ? nullptr : &*found;
  }

  const Entry* take(const std::string& key) {
    if (std::find(known.begin(), known.end(), key) == known.end()) known.push_back(key);
    return find(key);
  }

  template <typename T>
  bool number(const std::string& key, T& field, T low, T high, const std::string& noun) {
    const Entry* entry = take(key);
    if (entry == nullptr) return false;
    T value{};
    if (!entry->value.IsScalar() || !parse_number(entry->value.Scalar(), value) ||
        !(value >= low && value <= high)) {
      expected(*entry, noun + interval(low, high));
    }
    field = value;
    return true;
  }

  void finish() const {
    for (const auto& entry : entries) {
      if (std::find(known.begin(), known.end(), entry.key) != known.end()) continue;
      const auto keys = known.empty() ? "no keys here" : "one of the keys " + joined(known);
      complain(entry.line, path_of(entry.key), "expected " + keys + ", got " + quoted(entry.key));
    }
    for (const auto& [key, section] : sections) section->finish();
  }
};

OptionReader::OptionReader(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

OptionReader OptionReader::from_file(const std::filesystem::path& path) {
  return from_text(read_file(path), path.string());
}

OptionReader OptionReader::from_text(const std::string& text, const std::string& name) {
  if (text.size() > kTextBytesMax) {
    throw UserError(fmt::format("{}: expected at most {} bytes of options, got {}", name,
                                kTextBytesMax, text.size()));
  }
  try {
    // Aliases are shared nodes and sections are opened by name, so repeated aliases cost nothing;
    // yaml-cpp itself refuses nesting that would exhaust the stack.
    check_one_document(text, name);
    const auto root = YAML::Load(text);
    return OptionReader(std::make_shared<Impl>(name, "", 1, root));
  } catch (const YAML::Exception& error) {
    throw UserError(fmt::format("{}:{}: expected YAML, got a syntax error: {}", name,
                                error.mark.is_null() ? 1 : error.mark.line + 1, error.msg));
  }
}

OptionReader OptionReader::section(const std::string& key) {
  const Entry* entry = impl_->take(key);
  auto& child = impl_->sections[key];
  if (!child) {
    child = entry == nullptr ? std::make_shared<Impl>(impl_->file, impl_->path_of(key), impl_->line,
                                                      YAML::Node(YAML::NodeType::Null))
                             : std::make_shared<Impl>(impl_->file, impl_->path_of(key), entry->line,
                                                      entry->value);
    child->records = impl_->records;
  }
  return OptionReader(child);
}

bool OptionReader::has(const std::string& key) const { return impl_->find(key) != nullptr; }

bool OptionReader::has_section(const std::string& key) const {
  const Entry* entry = impl_->find(key);
  return entry != nullptr && entry->value.IsMap();
}

std::vector<std::string> OptionReader::keys() const {
  std::vector<std::string> keys;
  for (const Entry& entry : impl_->entries) keys.push_back(entry.key);
  return keys;
}

void OptionReader::read(const std::string& key, bool& field) {
  const Impl::Recording recording(*impl_, key, "true or false", field);
  const Entry* entry = impl_->take(key);
  if (entry == nullptr) return;
  const auto text = entry->value.IsScalar() ? entry->value.Scalar() : "";
  if (text != "true" && text != "false") impl_->expected(*entry, "true or false");
  field = text == "true";
}

void OptionReader::read(const std::string& key, std::string& field) {
  const Impl::Recording recording(*impl_, key, "text", field);
  const Entry* entry = impl_->take(key);
  if (entry == nullptr) return;
  if (!entry->value.IsScalar()) impl_->expected(*entry, "text");
  field = entry->value.Scalar();
}

void OptionReader::read(const std::string& key, std::filesystem::path& field) {
  const Impl::Recording recording(*impl_, key, "path", field);
  const Entry* entry = impl_->take(key);
  if (entry == nullptr) return;
  if (!entry->value.IsScalar() || entry->value.Scalar().empty()) {
    impl_->expected(*entry, "a path");
  }
  try {
    field = expand_path(entry->value.Scalar());
  } catch (const UserError& error) {
    impl_->complain(entry->line, impl_->path_of(key), error.what());
  }
}

void OptionReader::read(const std::string& key, std::int32_t& field, std::int32_t low,
                        std::int32_t high) {
  const Impl::Recording recording(*impl_, key, "integer" + interval(low, high), field);
  impl_->number(key, field, low, high, "an integer");
}

void OptionReader::read(const std::string& key, std::int64_t& field, std::int64_t low,
                        std::int64_t high) {
  const Impl::Recording recording(*impl_, key, "integer" + interval(low, high), field);
  impl_->number(key, field, low, high, "an integer");
}

void OptionReader::read(const std::string& key, double& field, double low, double high) {
  const Impl::Recording recording(*impl_, key, "number" + interval(low, high), field);
  // NaN fails both comparisons; infinity must not slip through an open end.
  constexpr double kMax = std::numeric_limits<double>::max();
  impl_->number(key, field, std::max(low, -kMax), std::min(high, kMax), "a number");
}

void OptionReader::read(const std::string& key, std::vector<std::string>& field) {
  const Impl::Recording recording(*impl_, key, "list of texts", field);
  const Entry* entry = impl_->take(key);
  if (entry == nullptr) return;
  if (!entry->value.IsSequence()) impl_->expected(*entry, "a list of texts");
  std::vector<std::string> texts;
  for (const auto& element : entry->value) {
    if (!element.IsScalar()) {
      impl_->complain(element.Mark().is_null() ? entry->line : element.Mark().line + 1,
                      fmt::format("{}[{}]", impl_->path_of(key), texts.size()),
                      "expected text, got " + described(element));
    }
    texts.push_back(element.Scalar());
  }
  field = std::move(texts);
}

void OptionReader::read(const std::string& key, std::string& field,
                        const std::vector<std::string>& allowed) {
  const Impl::Recording recording(*impl_, key, "one of " + joined(allowed), field);
  const Entry* entry = impl_->take(key);
  if (entry == nullptr) return;
  if (!entry->value.IsScalar() ||
      std::find(allowed.begin(), allowed.end(), entry->value.Scalar()) == allowed.end()) {
    impl_->expected(*entry, "one of " + joined(allowed));
  }
  field = entry->value.Scalar();
}

void OptionReader::read(const std::string& key, std::chrono::milliseconds& field, std::int64_t low,
                        std::int64_t high) {
  const Impl::Recording recording(*impl_, key, "integer" + interval(low, high), field);
  std::int64_t count = 0;
  if (impl_->number(key, count, low, high, "an integer")) field = std::chrono::milliseconds(count);
}

void OptionReader::read(const std::string& key, std::optional<std::int32_t>& field,
                        std::int32_t low, std::int32_t high) {
  const Impl::Recording recording(*impl_, key, "integer" + interval(low, high), field);
  std::int32_t value = 0;
  if (impl_->number(key, value, low, high, "an integer")) field = value;
}

void OptionReader::finish() { impl_->finish(); }

const std::vector<OptionRecord>& OptionReader::records() const { return *impl_->records; }

void OptionReader::fail(const std::string& key, const std::string& expected,
                        const std::string& got) const {
  const Entry* entry = key.empty() ? nullptr : impl_->find(key);
  impl_->complain(entry == nullptr ? impl_->line : entry->line, impl_->path_of(key),
                  "expected " + expected + ", got " + (got.starts_with('\'') ? got : quoted(got)));
}

std::filesystem::path rookery_home() {
  const char* home = std::getenv("ROOKERY_HOME");
  return home != nullptr && *home != '\0' ? std::filesystem::path(home)
                                          : expand_path("~/.local/share/rookery");
}

std::filesystem::path expand_path(const std::string& text) {
  if (text.empty() || (text.front() != '~' && text.front() != '$')) return text;
  const auto slash = std::min(text.find('/'), text.size());
  auto name = text.substr(1, slash - 1);
  if (text.front() == '~') {
    if (!name.empty()) return text;
    name = "HOME";
  }
  if (name == "ROOKERY_HOME") return rookery_home().string() + text.substr(slash);
  const char* value = std::getenv(name.c_str());
  if (value == nullptr || *value == '\0') {
    throw UserError("expected a path, got '" + text + "', but the environment has no " + name);
  }
  return value + text.substr(slash);
}

}  // namespace rookery::base
