#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "index_tools/faiss/faiss_bridge.hpp"

namespace rookery::index_tools::detail {

/// Reads faiss's own byte order (little-endian, packed) from a mapped file. Every size is compared
/// with the bytes that are left before anything is allocated by it: faiss's reader believes them.
class FaissBytes {
 public:
  FaissBytes(std::span<const std::byte> bytes, std::string where)
      : bytes_(bytes), where_(std::move(where)) {}

  [[noreturn]] void refuse(const std::string& what) const {
    throw base::UserError(where_ + ": " + what + " (before byte " + std::to_string(at_) +
                          "); write the file again");
  }
  void expect(bool holds, const std::string& what) const {
    if (!holds) refuse(what);
  }

  template <typename T>
  T read(const char* what) {
    T value{};
    const auto bytes = take(1, sizeof(T), what);
    std::memcpy(&value, bytes.data(), sizeof(T));
    return value;
  }
  /// A count within `[least, most]`.
  std::int64_t count(const char* what, std::int64_t least, std::int64_t most) {
    const auto value = read<std::int64_t>(what);
    expect(value >= least && value <= most,
           std::string("expected ") + what + " in [" + std::to_string(least) + ", " +
               std::to_string(most) + "], got " + std::to_string(value));
    return value;
  }
  /// An array with its length before it, in units of `T`; `expected` is -1 for any length.
  template <typename T>
  std::vector<T> array(const char* what, std::int64_t expected = -1) {
    const auto length = read<std::int64_t>(what);
    expect(length >= 0 && (expected < 0 || length == expected),
           std::string("expected ") + what + " of " +
               (expected < 0 ? "no negative length" : std::to_string(expected)) + ", got " +
               std::to_string(length));
    return items<T>(length, what);
  }
  /// `count` values without a length before them.
  template <typename T>
  std::vector<T> items(std::int64_t count, const char* what) {
    const auto bytes = take(count, sizeof(T), what);
    std::vector<T> values(static_cast<std::size_t>(count));
    if (!values.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }
  /// The four letters that begin every part.
  std::string letters() {
    const auto bytes = take(1, 4, "a part's four letters");
    return {reinterpret_cast<const char*>(bytes.data()), 4};
  }
  [[nodiscard]] std::int64_t left() const { return std::ssize(bytes_) - at_; }

 private:
  std::span<const std::byte> take(std::int64_t count, std::size_t size, const char* what) {
    const std::int64_t most = left() / static_cast<std::int64_t>(size);
    expect(count <= most, std::string("expected ") + what + ", " + std::to_string(count) +
                              " times " + std::to_string(size) + " bytes, but only " +
                              std::to_string(left()) + " bytes are left");
    const auto begin = static_cast<std::size_t>(at_);
    at_ += count * static_cast<std::int64_t>(size);
    return bytes_.subspan(begin, static_cast<std::size_t>(count) * size);
  }

  std::span<const std::byte> bytes_;
  std::string where_;
  std::int64_t at_ = 0;
};

/// The beginning of every index in a file.
struct FaissHead {
  std::int32_t dimension = 0;
  std::int64_t count = 0;
  bool l2 = false;
};
FaissHead read_faiss_head(FaissBytes& bytes);

/// The index that begins here; `depth` counts those around it.
FaissContents read_faiss_index(FaissBytes& bytes, int depth);

/// What follows the letters of inverted files, "IwFl" and "IwPQ".
FaissContents read_faiss_ivf_flat(FaissBytes& bytes, int depth);
FaissContents read_faiss_ivf_pq(FaissBytes& bytes, int depth);

}  // namespace rookery::index_tools::detail
