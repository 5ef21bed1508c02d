#include "retriever_pool/machine_limits.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>

#include "retriever_pool/detail/machine_limits.hpp"
#include "retriever_pool/exact_kernel.hpp"

namespace rookery::retriever_pool {
namespace {

using Clock = std::chrono::steady_clock;

std::uint32_t load_all(std::span<const std::byte> bytes, int variant) {
#if defined(__x86_64__)
  if (best_instruction_set() == InstructionSet::kAvx512) {
    return detail::load_all_avx512(bytes.data(), std::ssize(bytes), variant);
  }
  if (best_instruction_set() == InstructionSet::kAvx2) {
    return detail::load_all_avx2(bytes.data(), std::ssize(bytes), variant);
  }
#endif
  return detail::load_all_plain(bytes.data(), std::ssize(bytes), variant);
}

double multiply_add(std::int64_t rounds) {
#if defined(__x86_64__)
  if (best_instruction_set() == InstructionSet::kAvx512) {
    return detail::multiply_add_avx512(rounds);
  }
  if (best_instruction_set() == InstructionSet::kAvx2) return detail::multiply_add_avx2(rounds);
#endif
  return detail::multiply_add_plain(rounds);
}

}  // namespace

double pass_ms(std::span<const std::byte> bytes, SearchTeam& team) {
  double best = 0;
  for (const int variant : {0, 1}) {
    std::atomic<std::uint32_t> seen = 0;
    const auto begin = Clock::now();
    static_cast<void>(team.run(team.size(), Clock::time_point::max(), [&](int part) {
      const std::size_t first = bytes.size() * static_cast<std::size_t>(part) /
                                static_cast<std::size_t>(team.size()) / 64 * 64;
      const std::size_t last =
          bytes.size() * static_cast<std::size_t>(part + 1) / static_cast<std::size_t>(team.size());
      seen |= load_all(bytes.subspan(first, last - first), variant);
    }));
    const std::chrono::duration<double, std::milli> took = Clock::now() - begin;
    best = variant == 0 ? took.count() : std::min(best, took.count());
  }
  return best;
}

double peak_gflops(SearchTeam& team) {
  constexpr std::int64_t kRounds = 1'000'000;
  std::atomic<double> operations = 0;
  const auto begin = Clock::now();
  static_cast<void>(team.run(team.size(), Clock::time_point::max(),
                             [&](int /*part*/) { operations += multiply_add(kRounds); }));
  const std::chrono::duration<double> took = Clock::now() - begin;
  return operations / took.count() / 1e9;
}

}  // namespace rookery::retriever_pool
