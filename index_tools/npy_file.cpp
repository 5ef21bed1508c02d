#include "index_tools/npy_file.hpp"

#include "base/error.hpp"
#include "index_tools/vector_math.hpp"

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string_view>

namespace rookery::index_tools {
namespace {

static_assert(std::endian::native == std::endian::little,
              ".npy files are mapped as they lie, so they need a little-endian machine");

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::array<std::string_view, 5> kTypeNames{"<f2", "<f4", "<f8", "<i4", "<i8"};
constexpr std::size_t kHeaderBytesMax = 64 << 10;  // numpy writes 54 to 118
constexpr std::size_t kHeaderAlignment = 64;
constexpr std::int64_t kAxisMax = std::int64_t{1} << 40;

/// The dictionary at the front of a `.npy` file: a Python literal of three known keys.
class HeaderParser {
 public:
  HeaderParser(std::string_view text, const std::string& where) : text_(text), where_(where) {}

  NpyHeader parse() {
    NpyHeader header;
    bool descr = false, order = false, shape = false;
    const auto once = [&](bool& seen, std::string_view key) {
      if (seen) fail("each key once, got '" + std::string(key) + "' again");
      seen = true;
    };
    expect('{');
    while (!accept('}')) {
      const std::string_view key = quoted();
      expect(':');
      if (key == "descr") {
        once(descr, key);
        header.type = type();
      } else if (key == "fortran_order") {
        once(order, key);
        refuse_column_order();
      } else if (key == "shape") {
        once(shape, key);
        read_shape(header);
      } else {
        fail("the keys descr, fortran_order and shape, got '" + shortened(key) + "'");
      }
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip_space();
    if (at_ != text_.size()) fail("nothing but spaces behind the dictionary");
    if (!descr || !order || !shape) fail("the keys descr, fortran_order and shape");
    return header;
  }

 private:
  [[noreturn]] void fail(const std::string& expected) const {
    throw base::UserError(where_ + ": its header: expected " + expected + " (byte " +
                          std::to_string(at_) + " of the dictionary)");
  }
  /// What a message can quote: a part of a file is anything.
  static std::string shortened(std::string_view text) {
    std::string shown(text.substr(0, 40));
    for (char& c : shown) {
      if (c < ' ' || c > '~') c = '?';
    }
    return shown;
  }
  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }
  bool accept(char wanted) {
    skip_space();
    if (at_ == text_.size() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }
  void expect(char wanted) {
    if (!accept(wanted)) fail(std::string("'") + wanted + "'");
  }
  bool accept_word(std::string_view word) {
    skip_space();
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }
  std::string_view quoted() {
    skip_space();
    const char quote = at_ < text_.size() ? text_[at_] : '\0';
    if (quote != '\'' && quote != '"') fail("a string in quotes");
    const std::size_t end = text_.find(quote, at_ + 1);
    if (end == std::string_view::npos) fail("a closing quote");
    const std::string_view value = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return value;
  }
  NpyType type() {
    skip_space();
    if (at_ < text_.size() && text_[at_] == '[') {
      fail("one number an element, got a table of named columns; save one column");
    }
    const std::string_view name = quoted();
    for (std::size_t index = 0; index < kTypeNames.size(); ++index) {
      if (name == kTypeNames[index]) return static_cast<NpyType>(index);
    }
    fail("elements of type <f2, <f4, <f8, <i4 or <i8, got '" + shortened(name) +
         "'; convert with array.astype('<f4'), or '<i8' for ids");
  }
  void refuse_column_order() {
    if (accept_word("False")) return;
    if (!accept_word("True")) fail("True or False for fortran_order");
    fail("rows one after the other, got Fortran order; save numpy.ascontiguousarray(array)");
  }
  void read_shape(NpyHeader& header) {
    std::array<std::int64_t, 2> axes{0, 1};
    std::size_t count = 0;
    expect('(');
    while (!accept(')')) {
      if (count == axes.size()) fail("one or two axes, got more");
      axes[count++] = number();
      if (!accept(',')) {
        // Python writes one axis as `(5,)`; `(5)` is a number.
        if (count == 1) fail("a comma behind the only axis");
        expect(')');
        break;
      }
    }
    if (count == 0) fail("one or two axes, got none");
    header.axes = static_cast<std::int32_t>(count);
    header.rows = axes[0];
    header.columns = axes[1];
  }
  std::int64_t number() {
    skip_space();
    std::int64_t value = 0;
    const std::size_t begin = at_;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') {
      value = value * 10 + (text_[at_++] - '0');
      if (value > kAxisMax) fail("axes of at most " + std::to_string(kAxisMax));
    }
    if (at_ == begin) fail("a number");
    return value;
  }

  std::string_view text_;
  const std::string& where_;
  std::size_t at_ = 0;
};

/// Where the dictionary lies: behind magic, version and its own length.
std::string_view find_dictionary(std::span<const std::byte> bytes, const std::string& where) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.size() < 10 || !text.starts_with(kMagic)) {
    throw base::UserError(
        where + ": expected a .npy file (numpy.save), got " + std::to_string(text.size()) +
        " bytes that do not begin like one" +
        (text.starts_with("PK") ? "; an .npz holds several: save one array" : ""));
  }
  const auto byte = [&](std::size_t at) {
    return static_cast<std::size_t>(static_cast<unsigned char>(text[at]));
  };
  const std::size_t major = byte(6), minor = byte(7);
  if (major < 1 || major > 3 || minor != 0) {
    throw base::UserError(where + ": expected version 1.0, 2.0 or 3.0 of the .npy format, got " +
                          std::to_string(major) + "." + std::to_string(minor));
  }
  const std::size_t begin = major == 1 ? 10 : 12;
  std::size_t length = byte(8) | byte(9) << 8;
  if (major > 1 && text.size() >= begin) length |= byte(10) << 16 | byte(11) << 24;
  if (length > kHeaderBytesMax || text.size() < begin || length > text.size() - begin) {
    throw base::UserError(where + ": expected a header within the file's " +
                          std::to_string(text.size()) + " bytes, got one of " +
                          std::to_string(length) + "; the file is cut off or damaged");
  }
  return text.substr(begin, length);
}

}  // namespace

std::string to_string(NpyType type) {
  return std::string(kTypeNames.at(static_cast<std::size_t>(type)));
}

std::int64_t element_bytes(NpyType type) {
  if (type == NpyType::kFloat16) return 2;
  return type == NpyType::kFloat64 || type == NpyType::kInt64 ? 8 : 4;
}

NpyHeader NpyHeader::parse(std::span<const std::byte> bytes, const std::string& where) {
  const std::string_view dictionary = find_dictionary(bytes, where);
  NpyHeader header = HeaderParser(dictionary, where).parse();
  header.data_begin = static_cast<std::size_t>(dictionary.data() + dictionary.size() -
                                               reinterpret_cast<const char*>(bytes.data()));
  const auto found = static_cast<std::int64_t>(bytes.size() - header.data_begin);
  const std::int64_t size = element_bytes(header.type);
  // Divided, not multiplied: the shape may say anything.
  const bool fits = header.columns == 0 || header.rows == 0
                        ? found == 0
                        : found % size == 0 && found / size % header.columns == 0 &&
                              found / size / header.columns == header.rows;
  if (!fits) {
    throw base::UserError(where + ": expected " + std::to_string(header.rows) + " × " +
                          std::to_string(header.columns) + " elements of " + std::to_string(size) +
                          " bytes behind the header, got " + std::to_string(found) +
                          " bytes; the file is cut off or damaged");
  }
  return header;
}

NpyFile::NpyFile(const std::filesystem::path& path)
    : file_(path), header_(NpyHeader::parse(file_.bytes(), path.string())) {}

bool NpyFile::copy_row(std::int64_t row, std::span<float> out) const {
  if (!holds_floats() || row < 0 || row >= rows() ||
      static_cast<std::int64_t>(out.size()) != columns()) {
    throw std::invalid_argument("NpyFile::copy_row: expected a row in [0, " +
                                std::to_string(rows()) + ") of " + std::to_string(columns()) +
                                " floats, got row " + std::to_string(row) + " and " +
                                std::to_string(out.size()) + " of " + to_string(type()));
  }
  const std::size_t size = static_cast<std::size_t>(element_bytes(type())) * out.size();
  const std::byte* from =
      file_.bytes().data() + header_.data_begin + static_cast<std::size_t>(row) * size;
  if (type() == NpyType::kFloat32) {
    std::memcpy(out.data(), from, size);
    return true;
  }
  bool same = true;
  for (std::size_t column = 0; column < out.size(); ++column) {
    if (type() == NpyType::kFloat16) {
      std::uint16_t half = 0;
      std::memcpy(&half, from + 2 * column, 2);
      out[column] = from_half(half);
      continue;
    }
    double wide = 0;
    std::memcpy(&wide, from + 8 * column, 8);
    // Converting what lies beyond the range of float is undefined; infinity is refused by name.
    const bool fits = std::isnan(wide) || std::abs(wide) <= std::numeric_limits<float>::max();
    out[column] =
        fits ? static_cast<float>(wide)
             : std::copysign(std::numeric_limits<float>::infinity(), wide > 0 ? 1.0F : -1.0F);
    same = same && (std::isnan(wide) || static_cast<double>(out[column]) == wide);
  }
  return same;
}

std::int64_t NpyFile::integer(std::int64_t row) const {
  if (holds_floats() || columns() != 1 || row < 0 || row >= rows()) {
    throw std::invalid_argument("NpyFile::integer: expected a row in [0, " +
                                std::to_string(rows()) + ") of one column of integers, got " +
                                std::to_string(row) + " of " + to_string(type()));
  }
  const std::byte* data = file_.bytes().data() + header_.data_begin;
  if (type() == NpyType::kInt64) {
    std::int64_t value = 0;
    std::memcpy(&value, data + 8 * static_cast<std::size_t>(row), 8);
    return value;
  }
  std::int32_t value = 0;
  std::memcpy(&value, data + 4 * static_cast<std::size_t>(row), 4);
  return value;
}

NpyWriter::NpyWriter(const std::filesystem::path& path, const NpyHeader& shape) : file_(path) {
  if (shape.rows < 0 || shape.columns < 0 || shape.rows > kAxisMax || shape.columns > kAxisMax ||
      (shape.axes != 2 && (shape.axes != 1 || shape.columns != 1))) {
    throw std::invalid_argument("NpyWriter: expected [rows] or [rows, columns], got " +
                                std::to_string(shape.axes) + " axes of " +
                                std::to_string(shape.rows) + " × " + std::to_string(shape.columns));
  }
  const std::string size =
      shape.axes == 1 ? std::to_string(shape.rows) + ",), "
                      : std::to_string(shape.rows) + ", " + std::to_string(shape.columns) + "), ";
  std::string dictionary =
      "{'descr': '" + to_string(shape.type) + "', 'fortran_order': False, 'shape': (" + size + "}";
  const std::size_t unpadded = kMagic.size() + 4 + dictionary.size() + 1;
  dictionary.append((kHeaderAlignment - unpadded % kHeaderAlignment) % kHeaderAlignment, ' ');
  dictionary += '\n';
  file_.write(kMagic);
  const std::array<char, 4> version_and_length{1, 0, static_cast<char>(dictionary.size() & 0xFF),
                                               static_cast<char>(dictionary.size() >> 8)};
  file_.write(std::as_bytes(std::span(version_and_length)));
  file_.write(dictionary);
  bytes_missing_ = shape.rows * shape.columns * element_bytes(shape.type);
}

void NpyWriter::write(std::span<const std::byte> elements) {
  bytes_missing_ -= static_cast<std::int64_t>(elements.size());
  file_.write(elements);
}

void NpyWriter::finish() {
  if (bytes_missing_ != 0) {
    throw std::logic_error("NpyWriter: " + std::to_string(bytes_missing_) +
                           " bytes of what its header promises did not come");
  }
  file_.commit();
}

namespace {

void write_array(const std::filesystem::path& path, const NpyHeader& shape,
                 std::span<const std::byte> elements) {
  NpyWriter writer(path, shape);
  writer.write(elements);
  writer.finish();
}

}  // namespace

void write_npy(const std::filesystem::path& path, std::span<const float> values,
               std::int64_t columns) {
  NpyHeader shape;
  shape.rows = std::ssize(values) / columns;
  shape.columns = columns;
  write_array(path, shape, std::as_bytes(values));
}

void write_npy(const std::filesystem::path& path, std::span<const std::int32_t> values) {
  NpyHeader shape;
  shape.type = NpyType::kInt32;
  shape.axes = 1;
  shape.rows = std::ssize(values);
  write_array(path, shape, std::as_bytes(values));
}

void write_npy(const std::filesystem::path& path, std::span<const std::int64_t> values) {
  NpyHeader shape;
  shape.type = NpyType::kInt64;
  shape.axes = 1;
  shape.rows = std::ssize(values);
  write_array(path, shape, std::as_bytes(values));
}

}  // namespace rookery::index_tools
