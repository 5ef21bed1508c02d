#include "tests/support/seed.hpp"

#include <cstdlib>

namespace rookery::testing {

std::uint64_t seed() {
  constexpr std::uint64_t kDefault = 20'260'101;
  const char* text = std::getenv("ROOKERY_SEED");
  return text == nullptr || *text == '\0' ? kDefault : std::strtoull(text, nullptr, 10);
}

}  // namespace rookery::testing
