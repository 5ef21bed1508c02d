#include "base/mapped_file.hpp"

#include "base/detail/mapped_regions.hpp"
#include "base/error.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace rookery::base {

MappedFile::MappedFile(const std::filesystem::path& path) : path_(path) {
  const auto fail = [&](int code) {
    throw UserError(path.string() + ": cannot be mapped: " + std::generic_category().message(code));
  };
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) fail(errno);
  struct stat info {};
  int code = ::fstat(descriptor, &info) == 0 ? 0 : errno;
  if (code == 0 && !S_ISREG(info.st_mode)) code = S_ISDIR(info.st_mode) ? EISDIR : EINVAL;
  const auto size = static_cast<std::size_t>(info.st_size);
  // A mapping of no bytes is refused by the kernel; the empty span says the same.
  if (code == 0 && size > 0) {
    void* const address = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, descriptor, 0);
    if (address == MAP_FAILED) {
      code = errno;
    } else {
      bytes_ = {static_cast<const std::byte*>(address), size};
      detail::remember_mapping(address, size, path.c_str());
    }
  }
  ::close(descriptor);
  if (code != 0) fail(code);
}

MappedFile::~MappedFile() {
  if (bytes_.empty()) return;
  detail::forget_mapping(bytes_.data());
  ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)), bytes_(std::exchange(other.bytes_, {})) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

}  // namespace rookery::base
