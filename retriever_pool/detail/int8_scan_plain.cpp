#include "retriever_pool/detail/int8_scan.hpp"

namespace rookery::retriever_pool::detail {

void int8_scan_plain(const Int8Scan& scan) {
  for (std::int64_t r = 0; r < scan.row_count; ++r) {
    const std::uint8_t* row = scan.codes + r * scan.stride;
    for (std::int32_t q = 0; q < scan.query_count; ++q) {
      std::int32_t sum = scan.query_offsets[q];
      const std::int8_t* query = scan.queries + std::int64_t{q} * 64;
      for (std::int32_t begin = 0; begin < scan.stride; begin += 64) {
        for (std::int32_t i = 0; i < 64; ++i) sum += std::int32_t{row[begin + i]} * query[i];
        query += std::int64_t{scan.query_width} * 64;
      }
      const float key = scan.scales[r] * (scan.query_scales[q] * static_cast<float>(sum)) +
                        scan.query_a[q] * scan.errors[r] + scan.query_b[q] * scan.norms[r] +
                        (scan.extras != nullptr ? scan.extras[r] : 0.0F);
      if (!(key >= scan.limits[q])) continue;
      CandidateList& list = scan.candidates[q];
      list.items[list.count++] = {key, scan.row_begin + r};
    }
  }
}

}  // namespace rookery::retriever_pool::detail
