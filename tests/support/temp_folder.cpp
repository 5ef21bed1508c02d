#include "tests/support/temp_folder.hpp"

#include <cerrno>
#include <cstdlib>
#include <string>
#include <system_error>

namespace rookery::testing {

TempFolder::TempFolder() {
  auto name = (std::filesystem::temp_directory_path() / "rookery-test-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) {
    throw std::system_error(errno, std::generic_category(), name);
  }
  path_ = name;
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::filesystem::path data_folder() { return ROOKERY_TEST_DATA; }

}  // namespace rookery::testing
