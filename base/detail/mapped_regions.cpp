#include "base/detail/mapped_regions.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>

namespace rookery::base::detail {
namespace {

constexpr std::size_t kRegions = 4096;
constexpr std::size_t kPathBytes = 240;

/// `begin` is written last and cleared first, so that a handler sees whole entries only.
struct Region {
  std::atomic<std::uintptr_t> begin = 0, end = 0;
  std::atomic<bool> taken = false;
  std::array<char, kPathBytes> path{};
};
std::array<Region, kRegions> regions;

}  // namespace

void remember_mapping(const void* begin, std::size_t bytes, const char* path) {
  for (Region& region : regions) {
    if (region.taken.exchange(true)) continue;
    const auto address = reinterpret_cast<std::uintptr_t>(begin);
    // The end of a long path tells more than its beginning.
    const std::size_t length = std::strlen(path);
    const char* tail = length < kPathBytes ? path : path + (length - kPathBytes + 1);
    std::strncpy(region.path.data(), tail, kPathBytes - 1);
    region.end = address + bytes;
    region.begin = address;
    return;
  }
}

void forget_mapping(const void* begin) {
  const auto address = reinterpret_cast<std::uintptr_t>(begin);
  for (Region& region : regions) {
    if (region.begin != address) continue;
    region.begin = 0;
    region.end = 0;
    region.taken = false;
    return;
  }
}

const char* mapped_path_of(const void* address) {
  const auto wanted = reinterpret_cast<std::uintptr_t>(address);
  for (const Region& region : regions) {
    const std::uintptr_t begin = region.begin;
    if (begin != 0 && wanted >= begin && wanted < region.end) return region.path.data();
  }
  return nullptr;
}

}  // namespace rookery::base::detail
