#if defined(__GNUC__) && !defined(__clang__)
// GCC 12 takes the "undefined" operand inside its own AVX-512 header for a mistake (its bug
// 105593).
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#include "engine/detail/kernel_code.hpp"
#include "engine/detail/kernel_tables.hpp"
#include "engine/detail/vector_avx512.hpp"

namespace rookery::engine::detail {

#if defined(__AVX512F__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
const Kernels& avx512_kernels() { return kKernelsOf<avx512::Vector>; }
#else
const Kernels& avx512_kernels() { return plain_kernels(); }
#endif

}  // namespace rookery::engine::detail
