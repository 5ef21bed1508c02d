#include "index_tools/snapshot_diff.hpp"

#include "base/atomic_file.hpp"
#include "base/error.hpp"
#include "index_tools/snapshot.hpp"
#include "index_tools/snapshot_writer.hpp"
#include "tests/support/temp_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace rookery::index_tools {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct Row {
  std::int64_t id;
  std::string source = "s", title = "t", text = "x", topic = "p";
  std::vector<float> vector = {1.0F, 2.0F};
  std::int32_t value = 7;
};

struct Layout {
  std::int32_t shards = 1;
  VectorType vectors = VectorType::kFloat32;
  std::vector<std::string> indexes = {};
  std::string metric = "inner_product";
};

class SnapshotDiffTest : public ::testing::Test {
 protected:
  fs::path write(const std::string& name, const std::vector<Row>& rows, const Layout& layout = {}) {
    Manifest facts;
    facts.build_key = name;
    facts.corpus = "c";
    facts.sources = 1;
    facts.metric = layout.metric;
    facts.dimension = layout.vectors == VectorType::kNone ? 0 : 2;
    SnapshotWriterOptions options;
    options.shards = layout.shards;
    options.vectors = layout.vectors;
    options.values = true;
    for (const std::string& spec : layout.indexes)
      options.indexes.push_back(parse_index_spec(spec));
    SnapshotWriter writer(folder_ / name, folder_ / name / ".work", facts, options);
    for (const Row& row : rows) {
      writer.add({row.id, row.source, row.title, row.text, row.topic},
                 layout.vectors == VectorType::kNone ? std::span<const float>() : row.vector,
                 row.value);
    }
    writer.commit();
    return folder_ / name;
  }
  rookery::testing::TempFolder folder_;
};

TEST_F(SnapshotDiffTest, FindsNothingWhereOnlyTheShardsDiffer) {
  const std::vector<Row> rows{{0}, {1}, {5}, {8}};
  const fs::path a = write("a", rows), b = write("b", rows);
  EXPECT_TRUE(diff_snapshots(a, b).same());
  const SnapshotDiff sharded = diff_snapshots(a, write("c", rows, {.shards = 2}));
  EXPECT_FALSE(sharded.same());
  EXPECT_THAT(sharded.facts, ElementsAre("shards: 1, then 2"));
  EXPECT_EQ(sharded.changed_vectors.count + sharded.changed_text.count, 0);
}

TEST_F(SnapshotDiffTest, NamesPassagesThatOneSideHasAlone) {
  const fs::path a = write("a", {{0}, {1}, {5}, {8}}, {.shards = 2});
  const SnapshotDiff diff = diff_snapshots(a, write("b", {{1}, {2}, {8}, {9}, {10}}), 2);
  EXPECT_THAT(diff.only_a.first, ElementsAre(0, 5));
  EXPECT_EQ(diff.only_a.count, 2);
  EXPECT_THAT(diff.only_b.first, ElementsAre(2, 9));  // at most two are listed
  EXPECT_EQ(diff.only_b.count, 3);
  EXPECT_EQ(diff.passages_a, 4);
  EXPECT_EQ(diff.passages_b, 5);
}

TEST_F(SnapshotDiffTest, TellsTextVectorAndValueApart) {
  const fs::path a = write("a", {{0}, {1}, {2}, {3}, {4}, {5}, {6}});
  std::vector<Row> rows{{0}, {1}, {2}, {3}, {4}, {5}, {6}};
  rows[0].text = "y";
  rows[1].title = "";
  rows[2].topic = "q";
  rows[3].source = "z";
  rows[4].vector[1] = 2.0000002F;
  rows[5].value = 8;
  const SnapshotDiff diff = diff_snapshots(a, write("b", rows));
  EXPECT_THAT(diff.changed_text.first, ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(diff.changed_vectors.first, ElementsAre(4));
  EXPECT_THAT(diff.changed_values.first, ElementsAre(5));
  EXPECT_THAT(diff.only_a.first, IsEmpty());
  EXPECT_FALSE(diff.same());
}

TEST_F(SnapshotDiffTest, ComparesVectorsOfOtherTypesByWhatTheyHold) {
  std::vector<Row> rows{{0}, {1}};
  rows[1].vector[0] = 0.1F;  // not a binary16
  const fs::path a = write("a", rows);
  const SnapshotDiff half = diff_snapshots(a, write("b", rows, {.vectors = VectorType::kFloat16}));
  EXPECT_THAT(half.changed_vectors.first, ElementsAre(1));
  EXPECT_THAT(half.facts, ElementsAre("vectors: float32, then float16"));
  const SnapshotDiff none = diff_snapshots(a, write("c", rows, {.vectors = VectorType::kNone}));
  EXPECT_EQ(none.changed_vectors.count, 2);
}

TEST_F(SnapshotDiffTest, NamesIndexesThatChanged) {
  const fs::path a = write("a", {{0}, {1}}, {.indexes = {"bm25", "int8"}});
  const SnapshotDiff diff = diff_snapshots(a, write("b", {{0}, {1}}, {.indexes = {"bm25:k1=2"}}));
  EXPECT_THAT(diff.indexes_only_a, ElementsAre("int8", HasSubstr("bm25:k1=0.9")));
  EXPECT_THAT(diff.indexes_only_b, ElementsAre(HasSubstr("bm25:k1=2")));
}

TEST_F(SnapshotDiffTest, RefusesADamagedGeneration) {
  const fs::path a = write("a", {{0}, {1}});
  const fs::path b = write("b", {{0}, {1}});
  const fs::path file = resolve_generation(b) / "shard-0/passages";
  std::string bytes = base::read_file(file);
  bytes[0] ^= 1;
  base::write_file_atomically(file, bytes);
  try {
    (void)diff_snapshots(a, b);
    ADD_FAILURE() << "accepted";
  } catch (const base::UserError& error) {
    EXPECT_THAT(error.what(), HasSubstr("shard-0/passages: block 0"));
  }
}

}  // namespace
}  // namespace rookery::index_tools
