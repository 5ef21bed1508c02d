#include "tests/fuzz/fuzz_input.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <string>

namespace rookery::fuzz {

AlignedBytes::AlignedBytes(std::span<const std::byte> bytes) : size_(bytes.size()) {
  void* memory = nullptr;
  require(::posix_memalign(&memory, 64, bytes.empty() ? 1 : bytes.size()) == 0, "out of memory");
  if (!bytes.empty()) std::memcpy(memory, bytes.data(), bytes.size());
  memory_.reset(static_cast<std::byte*>(memory));
}

MemoryFile::MemoryFile(std::span<const std::byte> bytes)
    : descriptor_(::memfd_create("fuzz", MFD_CLOEXEC)),
      path_("/proc/self/fd/" + std::to_string(descriptor_)) {
  require(descriptor_ >= 0, "no file in memory");
  const auto written = ::write(descriptor_, bytes.data(), bytes.size());
  require(written == static_cast<ssize_t>(bytes.size()), "no room in memory");
}

MemoryFile::~MemoryFile() { ::close(descriptor_); }

}  // namespace rookery::fuzz
