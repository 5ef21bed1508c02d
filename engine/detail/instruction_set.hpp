#pragma once

#include <string_view>

namespace rookery::engine::detail {

/// Which code computes. All three give the same bits (law 4); they differ in speed only.
enum class InstructionSet { kPlain, kAvx2, kAvx512 };

/// True when this CPU can run it.
[[nodiscard]] bool supported(InstructionSet set);

/// The best this CPU has; `ROOKERY_ISA` (plain, avx2, avx512) lowers it, and never raises it. Read
/// once; throws `UserError` for another word.
[[nodiscard]] InstructionSet best_instruction_set();

[[nodiscard]] std::string_view to_string(InstructionSet set);

}  // namespace rookery::engine::detail
