// What libFuzzer calls; ROOKERY_FUZZ_TARGET names the function of this executable.
#include "tests/fuzz/fuzz_targets.hpp"

#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  rookery::fuzz::ROOKERY_FUZZ_TARGET({reinterpret_cast<const std::byte*>(data), size});
  return 0;  // other values mean something to libFuzzer
}
