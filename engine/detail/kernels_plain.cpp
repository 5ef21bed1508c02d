#include "engine/detail/kernel_code.hpp"
#include "engine/detail/kernel_tables.hpp"
#include "engine/detail/vector_plain.hpp"

namespace rookery::engine::detail {

const Kernels& plain_kernels() { return kKernelsOf<plain::Vector>; }

const Kernels& kernels(InstructionSet set) {
  switch (set) {
    case InstructionSet::kPlain:
      return plain_kernels();
    case InstructionSet::kAvx2:
      return avx2_kernels();
    case InstructionSet::kAvx512:
      return avx512_kernels();
  }
  return plain_kernels();
}

const Kernels& kernels() {
  static const Kernels& best = kernels(best_instruction_set());
  return best;
}

}  // namespace rookery::engine::detail
