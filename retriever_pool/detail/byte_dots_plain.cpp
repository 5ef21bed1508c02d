#include "retriever_pool/detail/byte_dots.hpp"

namespace rookery::retriever_pool::detail {

void byte_dots_plain(const ByteDots& work) {
  for (std::int64_t i = 0; i < work.count; ++i) {
    const std::uint8_t* row = work.codes + work.rows[i] * work.stride;
    std::int32_t sum = 0;
    for (std::int64_t j = 0; j < work.stride; ++j) sum += (row[j] - 128) * work.query[j];
    work.dots[i] = sum;
  }
}

}  // namespace rookery::retriever_pool::detail
