#include "engine/detail/instruction_set.hpp"

#include "base/error.hpp"

#include <algorithm>
#include <cstdlib>
#include <string>

namespace rookery::engine::detail {
namespace {

InstructionSet choose() {
  auto best = InstructionSet::kPlain;
  for (const auto set : {InstructionSet::kAvx2, InstructionSet::kAvx512}) {
    if (supported(set)) best = set;
  }
  const char* wish = std::getenv("ROOKERY_ISA");
  if (wish == nullptr || *wish == '\0') return best;
  for (const auto set : {InstructionSet::kPlain, InstructionSet::kAvx2, InstructionSet::kAvx512}) {
    if (to_string(set) == wish) return std::min(best, set);
  }
  throw base::UserError("ROOKERY_ISA: expected plain, avx2 or avx512, got '" + std::string(wish) +
                        "'");
}

}  // namespace

bool supported(InstructionSet set) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0;
  const bool avx512 =
      avx2 && __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512dq") != 0 &&
      __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512vl") != 0;
  switch (set) {
    case InstructionSet::kPlain:
      return true;
    case InstructionSet::kAvx2:
      return avx2;
    case InstructionSet::kAvx512:
      return avx512;
  }
  return false;
#else
  return set == InstructionSet::kPlain;
#endif
}

InstructionSet best_instruction_set() {
  static const InstructionSet best = choose();
  return best;
}

std::string_view to_string(InstructionSet set) {
  switch (set) {
    case InstructionSet::kPlain:
      return "plain";
    case InstructionSet::kAvx2:
      return "avx2";
    case InstructionSet::kAvx512:
      return "avx512";
  }
  return "?";
}

}  // namespace rookery::engine::detail
