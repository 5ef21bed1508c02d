#include "index_tools/detail/line_reader.hpp"

#include "base/error.hpp"
#include "index_tools/detail/utf8.hpp"

namespace rookery::index_tools::detail {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

}  // namespace

LineReader::LineReader(const std::filesystem::path& path, std::int64_t line_bytes_max)
    : file_(path),
      line_bytes_max_(line_bytes_max),
      bytes_(reinterpret_cast<const char*>(file_.bytes().data()), file_.bytes().size()) {
  rewind();
}

void LineReader::rewind() {
  at_ = bytes_.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0;
  line_ = 0;
}

std::string LineReader::where() const {
  return file_.path().string() + ":" + std::to_string(line_) + ": ";
}

std::optional<std::string_view> LineReader::next() {
  while (at_ < bytes_.size()) {
    const std::size_t end = std::min(bytes_.find('\n', at_), bytes_.size());
    std::string_view line = bytes_.substr(at_, end - at_);
    at_ = end + 1;
    ++line_;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (static_cast<std::int64_t>(line.size()) > line_bytes_max_) {
      throw base::UserError(where() + "expected a line of at most " +
                            std::to_string(line_bytes_max_) + " bytes, got " +
                            std::to_string(line.size()));
    }
    if (const auto invalid = first_invalid_utf8(line)) {
      throw base::UserError(where() + "expected UTF-8, got an invalid byte in column " +
                            std::to_string(*invalid + 1) + "; convert the file to UTF-8");
    }
    if (!is_blank(line)) return line;
  }
  return std::nullopt;
}

}  // namespace rookery::index_tools::detail
