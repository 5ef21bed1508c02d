#include "index_tools/detail/build_lock.hpp"

#include "base/error.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace rookery::index_tools::detail {

BuildLock::BuildLock(const std::filesystem::path& path) {
  std::error_code error;
  const bool folder = std::filesystem::is_directory(path, error);
  descriptor_ = folder ? ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
                       : ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor_ < 0) {
    throw base::UserError(path.string() + ": cannot be opened: " + std::strerror(errno));
  }
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
    const int problem = errno;
    ::close(descriptor_);
    throw base::UserError((folder ? path : path.parent_path()).string() + ": " +
                          (problem == EWOULDBLOCK
                               ? "another process builds the same snapshot right now; wait for it"
                               : std::string("cannot be locked: ") + std::strerror(problem)));
  }
}

BuildLock::~BuildLock() { ::close(descriptor_); }

}  // namespace rookery::index_tools::detail
