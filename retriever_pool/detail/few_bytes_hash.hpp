#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string_view>

namespace rookery::retriever_pool::detail {

/// Hashes queries by a few of their bytes. Vectors are long and seldom equal: a few bytes tell them
/// apart, and all are compared only where these agree.
struct FewBytesHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view bytes) const {
    constexpr std::size_t kWord = 8;
    if (bytes.size() < 2 * kWord) return std::hash<std::string_view>{}(bytes);
    std::size_t hash = bytes.size();
    for (const std::size_t at : {std::size_t{0}, bytes.size() / 2, bytes.size() - kWord}) {
      std::uint64_t word = 0;
      std::memcpy(&word, bytes.data() + at, kWord);
      hash = (hash ^ word) * 0x9E3779B97F4A7C15U;
      hash ^= hash >> 32U;
    }
    return hash;
  }
};

}  // namespace rookery::retriever_pool::detail
