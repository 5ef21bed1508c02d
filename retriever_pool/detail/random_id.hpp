#pragma once

#include <cstdint>
#include <random>

namespace rookery::retriever_pool::detail {

/// A number that no other client has drawn, on any host: from the machine's entropy, not a seed.
inline std::uint64_t random_id() {
  std::random_device device;
  return (std::uint64_t{device()} << 32) | device();
}

}  // namespace rookery::retriever_pool::detail
