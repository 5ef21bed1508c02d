#include "base/bus_error.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/detail/mapped_regions.hpp"
#include "base/mapped_file.hpp"
#include "tests/support/temp_folder.hpp"

namespace rookery::base {
namespace {

std::filesystem::path write(const std::filesystem::path& path, std::size_t bytes) {
  std::ofstream(path) << std::string(bytes, 'x');
  return path;
}

TEST(BusErrorDeathTest, AMappedFileThatShrinksEndsTheProcessWithItsName) {
  const testing::TempFolder folder;
  const auto path = write(folder / "vectors", 64 << 10);
  EXPECT_EXIT(
      {
        explain_bus_errors();
        const MappedFile file(path);
        std::filesystem::resize_file(path, 0);
        volatile const std::byte* bytes = file.bytes().data();
        [[maybe_unused]] const std::byte read = bytes[40'000];
      },
      ::testing::ExitedWithCode(74), "vectors: expected the file as it was when it was mapped");
}

TEST(MappedRegionsTest, AnAddressBelongsToTheFileThatIsMappedThereAndToNoneAfterwards) {
  const testing::TempFolder folder;
  const void* address = nullptr;
  {
    const MappedFile one(write(folder / "one", 10'000)), two(write(folder / "two", 10'000));
    address = two.bytes().data() + 9'999;
    ASSERT_NE(detail::mapped_path_of(address), nullptr);
    EXPECT_EQ(std::filesystem::path(detail::mapped_path_of(address)).filename(), "two");
    EXPECT_EQ(std::filesystem::path(detail::mapped_path_of(one.bytes().data())).filename(), "one");
  }
  EXPECT_EQ(detail::mapped_path_of(address), nullptr);
}

}  // namespace
}  // namespace rookery::base
