#pragma once

#include <cstdint>
#include <span>

#include "retriever_pool/search_team.hpp"

namespace rookery::retriever_pool {

/// Bounds of any exact scan on this machine, by which a scan is judged. Both use all threads of
/// `team`.

/// Milliseconds of one pass that only loads the bytes; the better of two orders.
double pass_ms(std::span<const std::byte> bytes, SearchTeam& team);
/// Thousand million multiplications and additions a second, in registers; takes about 10 ms.
double peak_gflops(SearchTeam& team);

}  // namespace rookery::retriever_pool
