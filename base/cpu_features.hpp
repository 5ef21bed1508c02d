#pragma once

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace rookery::base {

/// Whether the CPU converts binary16 (F16C). Asked of the CPU itself: clang's
/// `__builtin_cpu_supports` does not know the name.
inline bool cpu_has_f16c() {
#if defined(__x86_64__)
  unsigned int eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
#else
  return false;
#endif
}

}  // namespace rookery::base
