#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace rookery::index_tools::detail {

/// One line of a JSON-lines file: an object whose members are asked for by name and type. Every
/// complaint is a `UserError` that begins with `where` (`FILE:LINE: `).
class JsonLine {
 public:
  JsonLine(std::string_view line, std::string where);
  ~JsonLine();
  /// A string that must be there.
  [[nodiscard]] std::string text(const char* key) const;
  /// A string, or empty when the key is missing or null.
  [[nodiscard]] std::string text_or_empty(const char* key) const;
  /// A string or an integer; empty when the key is missing. An empty string is refused.
  [[nodiscard]] std::string id(const char* key) const;
  /// A list of strings; empty when the key is missing.
  [[nodiscard]] std::vector<std::string> texts(const char* key) const;
  [[noreturn]] void fail(const char* key, const std::string& expected) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rookery::index_tools::detail
