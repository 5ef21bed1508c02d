#include <cmath>

#include "retriever_pool/detail/pq_scan.hpp"

namespace rookery::retriever_pool::detail {
namespace {

void products(const PqProducts& task) {
  for (std::int32_t m = 0; m < task.pq_bytes; ++m) {
    const float* query = task.query + std::int64_t{m} * task.width;
    const float* words = task.codebooks + std::int64_t{m} * task.width * kPqWords;
    float* out = task.products + std::int64_t{m} * kPqWords;
    for (int c = 0; c < kPqWords; ++c) {
      float sum = 0;
      for (std::int32_t i = 0; i < task.width; ++i) {
        sum = std::fma(query[i], words[std::int64_t{i} * kPqWords + c], sum);
      }
      out[c] = sum;
    }
    float low = out[0], high = out[0];
    for (int c = 1; c < kPqWords; ++c) {
      low = out[c] < low ? out[c] : low;
      high = out[c] > high ? out[c] : high;
    }
    task.lows[m] = low;
    task.highs[m] = high;
  }
}

void round(const PqRounding& task) {
  for (std::int32_t m = 0; m < task.pq_bytes; ++m) {
    for (int c = 0; c < kPqWords; ++c) {
      const std::int64_t at = std::int64_t{m} * kPqWords + c;
      const auto level = static_cast<std::int32_t>(
          std::nearbyint((task.products[at] - task.lows[m]) * task.inverse));
      task.tables[at] = static_cast<std::uint8_t>(level < task.level_max ? level : task.level_max);
    }
  }
}

std::int32_t scan(const PqScan& task) {
  std::int32_t kept = 0;
  for (std::int32_t begin = 0; begin < task.row_count; begin += kPqGroupRows) {
    const std::int32_t left = task.row_count - begin;
    const std::int32_t width = left < kPqGroupRows ? left : kPqGroupRows;
    const std::uint8_t* group = task.codes + std::int64_t{begin} * task.pq_bytes;
    std::uint32_t sums[kPqGroupRows] = {};
    for (std::int32_t m = 0; m < task.pq_bytes; ++m) {
      const std::uint8_t* table = task.tables + std::int64_t{m} * kPqWords;
      const std::uint8_t* codes = group + std::int64_t{m} * width;
      for (std::int32_t j = 0; j < width; ++j) sums[j] += table[codes[j]];
    }
    for (std::int32_t j = 0; j < width; ++j) {
      float score = std::fma(static_cast<float>(sums[j]), task.scale, task.bias);
      if (task.terms != nullptr) score -= task.terms[begin + j];
      if (!(score >= task.threshold)) continue;
      task.scores[kept] = score;
      task.positions[kept++] = begin + j;
    }
  }
  return kept;
}

}  // namespace

PqKernels pq_kernels_plain() { return {products, round, scan}; }

}  // namespace rookery::retriever_pool::detail
