#include "launch/scratch_folder.hpp"

#include <stdlib.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "base/error.hpp"

namespace rookery::launch {

ScratchFolder::ScratchFolder(const std::string& purpose, const std::filesystem::path& parent) {
  std::error_code error;  // a parent that cannot be made shows below
  std::filesystem::create_directories(parent, error);
  std::string name = (parent / ("rookery-" + purpose + "-XXXXXX")).string();
  if (::mkdtemp(name.data()) == nullptr) {
    throw base::UserError(name + ": cannot be made: " + std::strerror(errno));
  }
  path_ = name;
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace rookery::launch
