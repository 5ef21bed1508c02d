#include <algorithm>
#include <stdexcept>
#include <string>

#include "engine/decoder.hpp"
#include "engine/detail/attention.hpp"

namespace rookery::engine {

KvCache::KvCache(std::int32_t layers, std::int32_t row_floats, std::int32_t positions_max)
    : layers_(layers), row_floats_(row_floats), positions_max_(positions_max) {
  if (layers < 1 || row_floats < 1 || positions_max < 1)
    throw std::invalid_argument("KvCache: expected positive sizes");
  keys_.resize(static_cast<std::size_t>(layers));
  values_.resize(static_cast<std::size_t>(layers));
}

void KvCache::truncate(std::int32_t length) {
  if (length < 0 || length > length_) {
    throw std::invalid_argument("KvCache: expected a length in [0, " + std::to_string(length_) +
                                "], got " + std::to_string(length));
  }
  length_ = length;
}

void KvCache::reserve(std::int32_t positions) {
  if (positions <= reserved_) return;
  constexpr std::int32_t kBlock = detail::kKeyBlock;
  const std::int32_t wanted =
      std::max(positions, std::min(2 * reserved_, positions_max_));  // doubling: copied rarely
  const std::int32_t rounded = (wanted + kBlock - 1) / kBlock * kBlock;
  const auto floats = static_cast<std::size_t>(rounded) * static_cast<std::size_t>(row_floats_);
  for (auto& keys : keys_) keys.resize(floats);
  // The matrix product reads whole panels, also behind the last head of the last position.
  for (auto& values : values_) values.resize(floats + kBlock);
  reserved_ = rounded;
}

}  // namespace rookery::engine
