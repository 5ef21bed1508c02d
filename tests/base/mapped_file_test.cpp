#include "base/atomic_file.hpp"
#include "base/mapped_file.hpp"
#include "tests/support/error_text.hpp"
#include "tests/support/temp_folder.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace rookery::base {
namespace {

using testing::error_text;
using testing::TempFolder;

std::string text_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

TEST(MappedFileTest, StaysValidWhenTheFileIsDeleted) {
  const TempFolder folder;
  write_file_atomically(folder / "a", "content");
  const MappedFile file(folder / "a");
  std::filesystem::remove(folder / "a");
  EXPECT_EQ(text_of(file), "content");
}

TEST(MappedFileTest, MapsAnEmptyFileAsNoBytes) {
  const TempFolder folder;
  write_file_atomically(folder / "a", "");
  EXPECT_TRUE(MappedFile(folder / "a").bytes().empty());
}

TEST(MappedFileTest, MovesTheMapping) {
  const TempFolder folder;
  write_file_atomically(folder / "a", "one");
  write_file_atomically(folder / "b", "two");
  MappedFile first(folder / "a");
  MappedFile second(std::move(first));
  EXPECT_EQ(text_of(second), "one");
  second = MappedFile(folder / "b");
  EXPECT_EQ(text_of(second), "two");
  EXPECT_EQ(second.path(), folder / "b");
}

TEST(MappedFileTest, NamesPathAndReason) {
  EXPECT_EQ(error_text([] { MappedFile("nowhere"); }),
            "nowhere: cannot be mapped: No such file or directory");
  EXPECT_EQ(error_text([] { MappedFile("/"); }), "/: cannot be mapped: Is a directory");
}

}  // namespace
}  // namespace rookery::base
