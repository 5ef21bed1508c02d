#pragma once

#include "engine/detail/kernels.hpp"

namespace rookery::engine::detail {

// One unit each, compiled for its instruction set. On another processor family all are the plain
// one.
const Kernels& plain_kernels();
const Kernels& avx2_kernels();
const Kernels& avx512_kernels();

}  // namespace rookery::engine::detail
