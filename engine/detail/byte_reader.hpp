#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <type_traits>

#include "base/error.hpp"

namespace rookery::engine::detail {

static_assert(std::endian::native == std::endian::little, "weight files are read in place");

/// Reads little-endian values from untrusted bytes, front to back. Every read is checked against
/// what is left; running out throws `UserError` that names the file and what was being read.
class ByteReader {
 public:
  /// `file` stands for the bytes in messages; both must outlive the reader.
  ByteReader(std::span<const std::byte> bytes, const std::string& file)
      : bytes_(bytes), file_(file) {}

  [[nodiscard]] std::size_t offset() const { return offset_; }
  [[nodiscard]] std::size_t left() const { return bytes_.size() - offset_; }

  template <typename T>
  T value(const char* what) {
    static_assert(std::is_arithmetic_v<T>);
    T result;
    const auto source = take(sizeof(T), what);
    std::memcpy(&result, source.data(), sizeof(T));
    return result;
  }

  std::span<const std::byte> take(std::uint64_t count, const char* what) {
    if (count > left()) {
      throw base::UserError(file_ + ": truncated or damaged: " + what + " at byte " +
                            std::to_string(offset_) + ": expected " + std::to_string(count) +
                            " bytes, got " + std::to_string(left()));
    }
    const auto result = bytes_.subspan(offset_, static_cast<std::size_t>(count));
    offset_ += static_cast<std::size_t>(count);
    return result;
  }

 private:
  std::span<const std::byte> bytes_;
  const std::string& file_;
  std::size_t offset_ = 0;
};

/// The product of a shape's sizes, or -1 when one is negative or the product passes `limit`.
inline std::int64_t element_count(std::span<const std::int64_t> shape, std::int64_t limit) {
  std::int64_t count = 1;
  for (const auto size : shape) {
    if (size < 0 || (size > 0 && count > limit / size)) return -1;
    count *= size;
  }
  return count;
}

/// A shape for people: `[49152, 576]`.
inline std::string shape_text(std::span<const std::int64_t> shape) {
  std::string text = "[";
  for (const auto size : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(size);
  return text + "]";
}

}  // namespace rookery::engine::detail
