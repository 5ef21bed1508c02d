#pragma once

#include <cstdint>

namespace rookery::testing {

/// The seed of this run for all random inputs: `ROOKERY_SEED`, else a fixed number. The first line
/// of a test run prints it.
std::uint64_t seed();

}  // namespace rookery::testing
