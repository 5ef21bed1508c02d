#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/mapped_file.hpp"

namespace rookery::index_tools::detail {

/// The lines of a mapped text file, checked: at most `line_bytes_max` bytes each and valid UTF-8,
/// else `UserError` with file and line. A byte-order mark and carriage returns at line ends are
/// dropped, blank lines are passed over. Views are valid as long as the reader.
class LineReader {
 public:
  LineReader(const std::filesystem::path& path, std::int64_t line_bytes_max);
  /// The next line that is not blank.
  std::optional<std::string_view> next();
  void rewind();
  /// The number of the line that `next` gave last, from 1.
  [[nodiscard]] std::int64_t line() const { return line_; }
  /// `FILE:LINE: `, for messages about that line.
  [[nodiscard]] std::string where() const;
  [[nodiscard]] std::string_view bytes() const { return bytes_; }

 private:
  base::MappedFile file_;
  std::int64_t line_bytes_max_;
  std::string_view bytes_;
  std::size_t at_ = 0;
  std::int64_t line_ = 0;
};

}  // namespace rookery::index_tools::detail
