#include "engine/detail/kernel_code.hpp"
#include "engine/detail/kernel_tables.hpp"
#include "engine/detail/vector_avx2.hpp"

namespace rookery::engine::detail {

#if defined(__AVX2__) && defined(__FMA__)
const Kernels& avx2_kernels() { return kKernelsOf<avx2::Vector>; }
#else
const Kernels& avx2_kernels() { return plain_kernels(); }
#endif

}  // namespace rookery::engine::detail
