#include "base/atomic_file.hpp"
#include "base/error.hpp"
#include "index_tools/detail/generation_file.hpp"
#include "index_tools/rewrite.hpp"
#include "index_tools/snapshot.hpp"
#include "tests/index_tools/fake_encoder.hpp"
#include "tests/support/temp_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace rookery::index_tools {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

/// A generation as the first version wrote it, byte by byte: one shard, three passages of two
/// sources, without topics.
Manifest write_schema1(const fs::path& name) {
  const fs::path folder = name / "0a1b2c3d4e5f";
  fs::create_directories(folder / "shard-0");
  Manifest manifest;
  manifest.schema = 1;
  manifest.generation = "0a1b2c3d4e5f";
  manifest.build_key = std::string(64, 'b');
  manifest.corpus = "old.tsv";
  manifest.dimension = 2;
  manifest.sources = 2;
  manifest.passages = 3;
  manifest.passage_words = 3;
  manifest.encoder = {"fake", std::string(64, 'a'), "", 2, "mean", false, 256};
  ShardEntry shard{0, 3, {}};
  const auto write = [&](const std::string& file, std::span<const std::byte> bytes) {
    detail::GenerationFile out(folder, "shard-0/" + file);
    out.write(bytes);
    shard.files.push_back(out.finish());
  };
  const std::vector<std::int64_t> ids{0, 1, 2};
  write("ids", std::as_bytes(std::span(ids)));
  std::string passages;
  std::vector<std::uint64_t> table;
  for (const std::string_view part : {"0", "Title", "a b c", "0", "Title", "d", "1", "", "e f"}) {
    table.push_back(passages.size());
    passages += part;
  }
  table.push_back(passages.size());
  passages.resize((passages.size() + 7) / 8 * 8, '\0');
  table.push_back(passages.size());  // where the table begins
  table.push_back(3);
  passages.append(reinterpret_cast<const char*>(table.data()), table.size() * 8);
  passages += "RKPASSG1";
  write("passages", std::as_bytes(std::span(passages)));
  const std::vector<float> vectors{1, 2, 3, 4, 5, 6};
  write("vectors", std::as_bytes(std::span(vectors)));
  manifest.shards.push_back(shard);
  base::write_file_atomically(folder / "manifest.json", manifest.to_json());
  base::write_file_atomically(name / "CURRENT", manifest.generation + "\n");
  return manifest;
}

TEST(Schema1, StillLoads) {
  const rookery::testing::TempFolder folder;
  const Manifest written = write_schema1(folder / "n");
  EXPECT_EQ(base::read_file(folder / "n/0a1b2c3d4e5f/manifest.json").find("next_id"),
            std::string::npos);
  const Manifest manifest = load_manifest(folder / "n");
  EXPECT_EQ(manifest.to_json(), written.to_json());
  EXPECT_EQ(manifest.vectors, VectorType::kFloat32);
  EXPECT_EQ(manifest.next_id, 3);
  EXPECT_TRUE(manifest.indexes.empty());
  const auto shard = open_shard(folder / "n", 0);
  EXPECT_EQ(shard->passage(1).source_id, "0");
  EXPECT_EQ(shard->passage(1).text, "d");
  EXPECT_EQ(shard->passage(2).title, "");
  EXPECT_EQ(shard->passage(2).text, "e f");
  EXPECT_EQ(shard->passage(2).topic, "");
  EXPECT_EQ(shard->vectors()[5], 6.0F);
  EXPECT_TRUE(shard->values().empty());
}

TEST(Schema1, BecomesSchema2WhenItIsWrittenAnew) {
  const rookery::testing::TempFolder folder;
  write_schema1(folder / "n");
  const RewriteReport linked =
      add_indexes({folder / "n", 0, {}}, {parse_index_spec("int8"), parse_index_spec("bm25")});
  EXPECT_EQ(linked.manifest.schema, 2);
  EXPECT_EQ(open_shard(folder / "n", 0)->passage(2).text, "e f");  // the store of version 1, linked
  EXPECT_FALSE(open_shard(folder / "n", 0)->file("bm25").empty());
  const RewriteReport copied = reshard_snapshot({folder / "n", 0, {}}, 3);
  EXPECT_EQ(copied.manifest.next_id, 3);
  EXPECT_EQ(open_shard(folder / "n", 2)->passage(0).text, "e f");
}

TEST(Schema1, IsAppendedToBehindItsHighestNumber) {
  const rookery::testing::TempFolder folder;
  write_schema1(folder / "n");
  base::write_file_atomically(folder / "more.tsv", "New\tx y z\n");
  rookery::testing::FakeEncoder encoder(2);
  AppendOptions append;
  append.corpus = folder / "more.tsv";
  append_corpus({folder / "n", 0, {}}, append, &encoder);
  const auto shard = open_shard(folder / "n", 0);
  ASSERT_EQ(shard->count(), 4);
  EXPECT_EQ(shard->passage(3).id, 3);
  EXPECT_EQ(shard->passage(3).source_id, "2");
}

}  // namespace
}  // namespace rookery::index_tools
