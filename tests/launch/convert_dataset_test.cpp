// launch/convert_dataset, with folders that pyarrow writes as datasets does.
#include "base/atomic_file.hpp"
#include "index_tools/import.hpp"
#include "index_tools/snapshot.hpp"
#include "tests/support/temp_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace rookery::launch {
namespace {

namespace fs = std::filesystem;
using rookery::testing::TempFolder;
using ::testing::HasSubstr;

/// Two files of save_to_disk: row i has the vector (i, i / 4, -i); row 4 has none.
constexpr const char* kMakeDataset = R"(
import json, pathlib, sys
import pyarrow as pa
folder = pathlib.Path(sys.argv[1])
folder.mkdir()
schema = pa.schema([("title", pa.string()), ("text", pa.string()),
                    ("embeddings", pa.list_(pa.float32()))])
def rows(numbers):
    return pa.record_batch([pa.array([f"Title {i}" for i in numbers]),
                            pa.array([f"text {i} \u00e9\n" for i in numbers]),
                            pa.array([[i, i / 4, -i] if i != 4 else None for i in numbers],
                                     pa.list_(pa.float32()))], schema=schema)
for name, numbers in (("data-00000-of-00002.arrow", range(0, 3)),
                      ("data-00001-of-00002.arrow", range(3, 7))):
    with pa.OSFile(str(folder / name), "wb") as file, pa.ipc.new_stream(file, schema) as writer:
        writer.write_batch(rows(numbers))
(folder / "state.json").write_text(json.dumps(
    {"_data_files": [{"filename": f"data-0000{i}-of-00002.arrow"} for i in (0, 1)]}))
(folder / "dataset_info.json").write_text("{}")
)";

/// A Python that has pyarrow: that of `launch/setup --peers`, or the system's; empty: none.
std::string python_with_arrow() {
  const char* cache = std::getenv("ROOKERY_CACHE");
  const char* home = std::getenv("HOME");
  const fs::path peers = cache != nullptr  ? fs::path(cache) / "peers-1"
                         : home != nullptr ? fs::path(home) / ".cache/rookery/peers-1"
                                           : fs::path();
  for (const std::string& python : {(peers / "bin/python").string(), std::string("python3")}) {
    const std::string command = "'" + python + "' -c 'import pyarrow, numpy' >/dev/null 2>&1";
    if (std::system(command.c_str()) == 0) return python;
  }
  return "";
}

class ConvertDataset : public ::testing::Test {
 protected:
  void SetUp() override {
    python = python_with_arrow();
    if (python.empty()) GTEST_SKIP() << "no Python with pyarrow: launch/setup --peers brings one";
    base::write_file_atomically(folder / "make.py", kMakeDataset);
    ASSERT_EQ(run("'" + (folder / "make.py").string() + "' '" + dataset.string() + "'"), 0) << said;
  }
  /// The exit status; what was said is in `said`.
  int run(const std::string& arguments) {
    const fs::path log = folder / "log";
    const std::string command = "'" + python + "' " + arguments + " >'" + log.string() + "' 2>&1";
    const int status = std::system(command.c_str());
    said = base::read_file(log);
    return WEXITSTATUS(status);
  }
  int convert() {
    return run("launch/convert_dataset '" + dataset.string() + "' '" + out.string() + "'");
  }

  TempFolder folder;
  fs::path dataset = folder / "dataset", out = folder / "converted";
  std::string python, said;
};

TEST_F(ConvertDataset, RowsWithVectorsBecomePassagesUnderTheirNumbers) {
  ASSERT_EQ(convert(), 0) << said;
  EXPECT_THAT(said, HasSubstr("6 passages with vectors of 3 numbers; 1 rows without"));
  index_tools::ImportOptions options;
  options.vectors = {out / "embeddings.npy"};
  options.passages = out / "passages.jsonl";
  options.ids = out / "ids.npy";
  options.out = folder / "snapshot";
  ASSERT_EQ(index_tools::import_snapshot(options).manifest.passages, 6);
  const auto shard = index_tools::open_shard(options.out, 0);
  for (std::int64_t row = 0; row < 6; ++row) {
    const auto passage = shard->passage(row);
    const std::int64_t number = row < 4 ? row : row + 1;
    EXPECT_EQ(passage.id, number);
    EXPECT_EQ(passage.title, "Title " + std::to_string(number));
    EXPECT_EQ(passage.text, "text " + std::to_string(number) + " é\n");
    const auto value = static_cast<float>(number);
    const auto vector = shard->vectors().subspan(static_cast<std::size_t>(row) * 3, 3);
    EXPECT_EQ(vector[0], value);
    EXPECT_EQ(vector[1], value / 4);
    EXPECT_EQ(vector[2], -value);
  }
}

TEST_F(ConvertDataset, SaysWhatIsWrongAndLeavesNothing) {
  fs::resize_file(dataset / "data-00001-of-00002.arrow", 300);
  EXPECT_EQ(convert(), 2);
  EXPECT_THAT(said, HasSubstr("data-00001-of-00002.arrow"));
  EXPECT_FALSE(fs::exists(out));
  fs::remove(dataset / "data-00001-of-00002.arrow");
  EXPECT_EQ(convert(), 2);
  EXPECT_THAT(said, HasSubstr("is missing"));
  base::write_file_atomically(dataset / "state.json",
                              R"({"_data_files": [{"filename": "../make.py"}]})");
  EXPECT_EQ(convert(), 2);
  EXPECT_THAT(said, HasSubstr("expected file names, got '../make.py'"));
  fs::remove(dataset / "state.json");
  EXPECT_EQ(convert(), 2);
  EXPECT_THAT(said, HasSubstr("state.json, found none"));
  base::write_file_atomically(dataset / "dataset_dict.json", R"({"splits": ["train"]})");
  EXPECT_EQ(convert(), 2);
  EXPECT_THAT(said, HasSubstr("dataset/train"));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), {}), 3)
      << "the dataset, make.py and the log";
}

}  // namespace
}  // namespace rookery::launch
