#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "retriever_pool/wire.hpp"

namespace rookery::retriever_pool::wire::detail {

static_assert(std::endian::native == std::endian::little,
              "bodies are copied as they lie in memory, which is little-endian");

/// Appends numbers and arrays to a message.
class Writer {
 public:
  explicit Writer(std::size_t bytes) { bytes_.reserve(bytes); }
  template <typename T>
  void put(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  template <typename T>
  void put_array(std::span<const T> values) {
    bytes_.append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
  }
  void put_text(std::string_view text) { bytes_.append(text); }
  [[nodiscard]] std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

/// Takes numbers and arrays from a message that anyone may have sent; the bytes may be unaligned.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : bytes_(bytes) {}
  [[nodiscard]] std::size_t left() const { return bytes_.size(); }

  template <typename T>
  T get(const char* what) {
    T value;
    std::memcpy(&value, take(sizeof value, what).data(), sizeof value);
    return value;
  }
  /// `count` comes from the sender: it is compared with what is there before memory is asked for.
  template <typename T>
  std::vector<T> get_array(std::uint64_t count, const char* what) {
    if (count > bytes_.size() / sizeof(T)) too_short(what);
    const auto part = take(static_cast<std::size_t>(count) * sizeof(T), what);
    std::vector<T> values(static_cast<std::size_t>(count));
    if (!values.empty()) std::memcpy(values.data(), part.data(), part.size());
    return values;
  }
  std::string_view get_text(std::uint64_t count, const char* what) {
    if (count > bytes_.size()) too_short(what);
    const auto part = take(static_cast<std::size_t>(count), what);
    return {reinterpret_cast<const char*>(part.data()), part.size()};
  }
  /// Bytes that nobody reads are a mistake of the sender.
  void finish(const char* what) const {
    if (!bytes_.empty()) {
      throw WireError(ErrorCode::kMalformed,
                      std::string(what) + ": " + std::to_string(bytes_.size()) + " bytes too many");
    }
  }

 private:
  std::span<const std::byte> take(std::size_t count, const char* what) {
    if (count > bytes_.size()) too_short(what);
    const auto part = bytes_.first(count);
    bytes_ = bytes_.subspan(count);
    return part;
  }
  [[noreturn]] void too_short(const char* what) const {
    throw WireError(ErrorCode::kMalformed, std::string(what) + ": the message is too short");
  }

  std::span<const std::byte> bytes_;
};

}  // namespace rookery::retriever_pool::wire::detail
