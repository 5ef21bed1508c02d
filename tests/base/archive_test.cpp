#include "base/archive.hpp"
#include "base/atomic_file.hpp"
#include "tests/support/error_text.hpp"
#include "tests/support/temp_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zip.h>

#include <map>
#include <string>

namespace rookery::base {
namespace {

using ::testing::ElementsAre;
using testing::error_text;
using ::testing::HasSubstr;
using testing::TempFolder;
using Files = std::map<std::string, std::string>;

std::filesystem::path make_zip(const std::filesystem::path& path, const Files& files,
                               bool compressed) {
  int code = 0;
  zip_t* const zip = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code);
  EXPECT_NE(zip, nullptr);
  for (const auto& [name, content] : files) {
    auto* const source = zip_source_buffer(zip, content.data(), content.size(), 0);
    const auto index = zip_file_add(zip, name.c_str(), source, 0);
    zip_set_file_compression(zip, static_cast<zip_uint64_t>(index),
                             compressed ? ZIP_CM_DEFLATE : ZIP_CM_STORE, 0);
  }
  EXPECT_EQ(zip_close(zip), 0);
  return path;
}

std::filesystem::path make_folder(const std::filesystem::path& path, const Files& files) {
  for (const auto& [name, content] : files) {
    std::filesystem::create_directories((path / name).parent_path());
    write_file_atomically(path / name, content);
  }
  return path;
}

const Files kFiles{{"pack/model/config.json", "{\"a\": 1}"},
                   {"pack/other/model/config.json", "{}"},
                   {"pack/weights", std::string(200'000, 'w') + "end"},
                   {"pack/empty", ""},
                   {"pack/vconfig.json", "no match at a border"}};

/// One contract for both kinds.
class ArchiveTest : public ::testing::TestWithParam<std::string> {
 protected:
  std::unique_ptr<Archive> open() {
    if (GetParam() == "folder") return Archive::open(make_folder(folder / "f", kFiles));
    return Archive::open(make_zip(folder / "a.whl", kFiles, GetParam() == "deflated"));
  }
  TempFolder folder;
};

TEST_P(ArchiveTest, ListsNamesSorted) {
  EXPECT_THAT(open()->names(),
              ElementsAre("pack/empty", "pack/model/config.json", "pack/other/model/config.json",
                          "pack/vconfig.json", "pack/weights"));
}

TEST_P(ArchiveTest, ReadsEveryMemberWhole) {
  const auto archive = open();
  for (const auto& [name, content] : kFiles) EXPECT_EQ(archive->read(name), content) << name;
}

TEST_P(ArchiveTest, FindsTheShortestNameAtAPathBorder) {
  const auto archive = open();
  EXPECT_EQ(archive->find("config.json"), "pack/model/config.json");
  EXPECT_EQ(archive->find("other/model/config.json"), "pack/other/model/config.json");
  EXPECT_TRUE(archive->contains("weights"));
  EXPECT_FALSE(archive->contains("eights"));
}

TEST_P(ArchiveTest, NamesWhatIsMissing) {
  const auto archive = open();
  EXPECT_EQ(
      error_text([&] { (void)archive->find("vocab.txt"); }),
      archive->path().string() + ": expected a file 'vocab.txt' in it, got 5 files without it");
  EXPECT_THAT(error_text([&] { (void)archive->read("pack/nothing"); }),
              HasSubstr(archive->path().string() + ": has no"));
}

INSTANTIATE_TEST_SUITE_P(Kinds, ArchiveTest, ::testing::Values("folder", "stored", "deflated"));

TEST(ZipArchiveTest, RefusesAMemberWithAChangedByte) {
  const TempFolder folder;
  const auto path = make_zip(folder / "a.zip", {{"text", "intact content"}}, false);
  auto bytes = read_file(path);
  bytes[bytes.find("intact")] = 'X';
  write_file_atomically(path, bytes);

  const auto archive = Archive::open(path);

  EXPECT_THAT(error_text([&] { (void)archive->read("text"); }),
              HasSubstr("a.zip: text cannot be read: CRC error"));
}

TEST(ZipArchiveTest, RefusesATruncatedArchive) {
  const TempFolder folder;
  const auto path = make_zip(folder / "a.zip", kFiles, true);
  auto bytes = read_file(path);
  bytes.resize(bytes.size() / 2);
  write_file_atomically(path, bytes);

  EXPECT_THAT(error_text([&] { Archive::open(path); }),
              HasSubstr("a.zip: cannot be opened as a zip archive: "));
}

TEST(ZipArchiveTest, NamesAPathThatIsNotThere) {
  EXPECT_EQ(error_text([] { Archive::open("nowhere/model.whl"); }),
            "nowhere/model.whl: no such file or folder");
}

}  // namespace
}  // namespace rookery::base
