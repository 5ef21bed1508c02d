#include "index_tools/snapshot.hpp"

#include "base/atomic_file.hpp"
#include "base/error.hpp"
#include "index_tools/snapshot_writer.hpp"
#include "tests/support/error_text.hpp"
#include "tests/support/temp_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

namespace rookery::index_tools {
namespace {

namespace fs = std::filesystem;
using rookery::testing::error_text;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::int32_t kDimension = 1024;
constexpr std::int64_t kPassages = 700;  // 350 rows a shard: 1.4 MiB of vectors, two blocks

Manifest facts(std::int32_t dimension) {
  Manifest manifest;
  manifest.build_key = "key";
  manifest.corpus = "test";
  manifest.sources = 5;
  manifest.dimension = dimension;
  manifest.encoder = {"fake", std::string(64, 'a'), "", dimension, "mean", true, 256};
  return manifest;
}

float element(std::int64_t id, std::int32_t index) {
  return static_cast<float>(id) + static_cast<float>(index) / 2048.0F;
}

std::string text_of(std::int64_t id) { return std::string(static_cast<std::size_t>(id % 40), 'x'); }

Manifest write_sample(const fs::path& name) {
  SnapshotWriter writer(name, name / ".work", facts(kDimension), {.shards = 2});
  for (std::int64_t id = 0; id < kPassages; ++id) {
    std::vector<float> vector;
    for (std::int32_t index = 0; index < kDimension; ++index) vector.push_back(element(id, index));
    const std::string source = "source " + std::to_string(id / 2), text = text_of(id);
    writer.add({id, source, id % 3 == 0 ? "" : "title", text}, vector);
  }
  return writer.commit();
}

class SnapshotTest : public ::testing::Test {
 protected:
  SnapshotTest() : name_(folder_ / "wiki"), manifest_(write_sample(name_)) {
    generation_ = name_ / manifest_.generation;
  }
  void change(const std::string& file, const std::function<void(std::string&)>& edit) {
    std::string bytes = base::read_file(generation_ / file);
    edit(bytes);
    base::write_file_atomically(generation_ / file, bytes);
  }
  std::vector<Damage> verify() {
    sound_blocks_ = 0;
    return verify_snapshot(name_, std::nullopt, sound_blocks_);
  }

  rookery::testing::TempFolder folder_;
  fs::path name_;
  Manifest manifest_;
  fs::path generation_;
  std::int64_t sound_blocks_ = 0;
};

TEST_F(SnapshotTest, GivesBackWhatWasWritten) {
  for (std::int32_t number = 0; number < 2; ++number) {
    const auto shard = open_shard(name_, number);
    EXPECT_EQ(shard->shard(), number);
    EXPECT_EQ(shard->count(), kPassages / 2);
    EXPECT_EQ(shard->dimension(), kDimension);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(shard->vectors().data()) % 64, 0u);
    ASSERT_EQ(shard->vectors().size(), static_cast<std::size_t>(kPassages / 2 * kDimension));
    for (std::int64_t row = 0; row < shard->count(); ++row) {
      const std::int64_t id = 2 * row + number;
      ASSERT_EQ(shard->ids()[static_cast<std::size_t>(row)], id);
      ASSERT_EQ(shard->row_of(id), row);
      const PassageView passage = shard->passage(row);
      ASSERT_EQ(passage.id, id);
      ASSERT_EQ(passage.source_id, "source " + std::to_string(id / 2));
      ASSERT_EQ(passage.title, id % 3 == 0 ? "" : "title");
      ASSERT_EQ(passage.text, text_of(id));
      ASSERT_EQ(shard->vectors()[static_cast<std::size_t>(row * kDimension + 7)], element(id, 7));
    }
    EXPECT_EQ(shard->row_of(1 - number), std::nullopt);
    EXPECT_EQ(shard->row_of(kPassages), std::nullopt);
    EXPECT_THROW((void)shard->passage(kPassages / 2), std::invalid_argument);
    EXPECT_THROW((void)shard->passage(-1), std::invalid_argument);
  }
}

TEST_F(SnapshotTest, OpensByNameAndByGenerationAndLeavesNoWorkFolder) {
  EXPECT_EQ(resolve_generation(name_), generation_);
  EXPECT_EQ(resolve_generation(generation_), generation_);
  EXPECT_EQ(load_manifest(name_).to_json(), manifest_.to_json());
  EXPECT_EQ(base::read_file(name_ / "CURRENT"), manifest_.generation + "\n");
  EXPECT_FALSE(fs::exists(name_ / ".work"));
}

TEST_F(SnapshotTest, MappedRowsOutliveTheFiles) {
  const auto shard = open_shard(name_, 0);
  fs::remove_all(name_);
  EXPECT_EQ(shard->passage(3).text, text_of(6));
}

TEST_F(SnapshotTest, VerifyCountsTheSoundBlocks) {
  EXPECT_TRUE(verify().empty());
  EXPECT_EQ(sound_blocks_, 8);  // a shard: ids 1, passages 1, vectors 2
}

TEST_F(SnapshotTest, NamesFileAndBlockOfAFlippedBit) {
  change("shard-1/vectors", [](std::string& bytes) { bytes[(1 << 20) + 3] ^= 4; });
  const auto damages = verify();
  ASSERT_EQ(damages.size(), 1u);
  EXPECT_EQ(damages[0].block, 1);
  EXPECT_EQ(damages[0].file, (generation_ / "shard-1/vectors").string());
  EXPECT_THAT(damages[0].message,
              AllOf(HasSubstr("shard-1/vectors: block 1 (bytes 1048576-1433599) does not match its "
                              "checksum: expected "),
                    HasSubstr(", found ")));
  EXPECT_EQ(sound_blocks_, 7);
  EXPECT_NO_THROW(open_shard(name_, 0));
  EXPECT_THAT(error_text([&] { open_shard(name_, 1); }),
              AllOf(HasSubstr("shard-1/vectors: block 1"), HasSubstr("the shard was not loaded")));
}

TEST_F(SnapshotTest, AnyFlippedBitInAnyFileIsRefusedBeforeParsing) {
  std::uint32_t state = 7;
  for (const char* file : {"shard-0/ids", "shard-0/passages", "shard-0/vectors"}) {
    for (int round = 0; round < 25; ++round) {
      state = state * 1664525U + 1013904223U;
      std::size_t at = 0;
      const auto flip = [&](std::string& bytes) {
        at = (state >> 4) % bytes.size();
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << (state & 7U)));
      };
      change(file, flip);
      EXPECT_THAT(error_text([&] { open_shard(name_, 0); }),
                  HasSubstr(std::string(file) + ": block " + std::to_string(at >> 20)));
      change(file, flip);
    }
  }
  EXPECT_NO_THROW(open_shard(name_, 0));
}

TEST_F(SnapshotTest, TruncationAndExtraBytesAreRefused) {
  for (const char* file : {"shard-0/ids", "shard-0/passages", "shard-0/vectors"}) {
    const std::string whole = base::read_file(generation_ / file);
    for (const std::size_t bytes :
         {std::size_t{0}, std::size_t{1}, whole.size() / 2, whole.size() - 1}) {
      base::write_file_atomically(generation_ / file, whole.substr(0, bytes));
      EXPECT_THAT(error_text([&] { open_shard(name_, 0); }),
                  HasSubstr(std::string(file) + ": expected " + std::to_string(whole.size()) +
                            " bytes, found " + std::to_string(bytes) + " (it is cut off)"));
    }
    base::write_file_atomically(generation_ / file, whole + "x");
    EXPECT_THAT(error_text([&] { open_shard(name_, 0); }), HasSubstr("(it has bytes too many)"));
    base::write_file_atomically(generation_ / file, whole);
  }
}

TEST_F(SnapshotTest, SwappedAndMissingFilesAreRefused) {
  fs::rename(generation_ / "shard-0/vectors", generation_ / "spare");
  EXPECT_THAT(error_text([&] { open_shard(name_, 0); }), HasSubstr("shard-0/vectors: is missing"));
  fs::rename(generation_ / "shard-1/vectors", generation_ / "shard-0/vectors");
  fs::rename(generation_ / "spare", generation_ / "shard-1/vectors");
  EXPECT_EQ(verify().size(), 4u);
  EXPECT_THAT(error_text([&] { open_shard(name_, 0); }),
              AllOf(HasSubstr("shard-0/vectors: block 0"), HasSubstr("and 1 more damaged places")));
}

TEST_F(SnapshotTest, AManifestOfAnotherGenerationIsRefused) {
  Manifest other = manifest_;
  other.generation = "00112233";
  base::write_file_atomically(generation_ / "manifest.json", other.to_json());
  EXPECT_THAT(error_text([&] { load_manifest(name_); }),
              HasSubstr("generation: expected " + manifest_.generation + ", got '00112233'"));
}

TEST_F(SnapshotTest, RefusesAShardThatIsNotThere) {
  EXPECT_THAT(error_text([&] { open_shard(name_, 2); }),
              HasSubstr("expected a shard in [0, 2), got 2"));
  EXPECT_THAT(error_text([&] { open_shard(name_, -1); }), HasSubstr("got -1"));
}

TEST_F(SnapshotTest, SaysWhatToDoWhereThereIsNoSnapshot) {
  EXPECT_THAT(error_text([&] { resolve_generation(folder_ / "none"); }),
              HasSubstr("no such snapshot; build one with: rookery index build"));
  fs::create_directories(folder_ / "empty");
  EXPECT_THAT(error_text([&] { resolve_generation(folder_ / "empty"); }),
              HasSubstr("found neither CURRENT nor manifest.json"));
  fs::create_directories(folder_ / "empty/.building-1");
  EXPECT_THAT(error_text([&] { resolve_generation(folder_ / "empty"); }),
              HasSubstr("holds an unfinished build only"));
  base::write_file_atomically(name_ / "CURRENT", "../../etc\n");
  EXPECT_THAT(error_text([&] { resolve_generation(name_); }), HasSubstr("got '../../etc'"));
  base::write_file_atomically(name_ / "CURRENT", "abcdef\n");
  EXPECT_THAT(error_text([&] { resolve_generation(name_); }), HasSubstr("names generation abcdef"));
}

TEST_F(SnapshotTest, TheSameRowsGiveTheSameGeneration) {
  EXPECT_EQ(write_sample(folder_ / "again").generation, manifest_.generation);
  // Over an existing one: exchanged, still sound.
  change("shard-0/ids", [](std::string& bytes) { bytes[0] ^= 1; });
  write_sample(name_);
  EXPECT_TRUE(verify().empty());
}

TEST(SnapshotWriter, BuildsEveryKindOfIndexAndReadsItBackAfterChecking) {
  const rookery::testing::TempFolder folder;
  SnapshotWriterOptions options;
  options.shards = 2;
  for (const char* spec : {"bm25", "int8", "hnsw:m=4,serial=true", "ivfpq:nlist=2,pq_bytes=4"}) {
    options.indexes.push_back(parse_index_spec(spec));
  }
  options.threads = 1;
  std::vector<std::string> told;
  options.index_progress = [&](const IndexSpec& spec, std::int64_t done, std::int64_t total) {
    EXPECT_EQ(total, 600);
    if (done == total) told.push_back(to_string(spec.kind));
  };
  SnapshotWriter writer(folder / "n", folder / "n/.work", facts(8), options);
  std::uint32_t state = 1;
  for (std::int64_t id = 0; id < 600; ++id) {
    std::vector<float> vector(8);
    for (float& x : vector) {
      state = state * 1664525U + 1013904223U;
      x = static_cast<float>(state >> 8) / 16777216.0F - 0.5F;
    }
    const std::string text = "word" + std::to_string(id % 50) + " and others";
    writer.add({id, "s" + std::to_string(id), "", text}, vector);
  }
  const Manifest manifest = writer.commit();
  EXPECT_EQ(told, (std::vector<std::string>{"int8", "hnsw", "ivfpq", "bm25"}));
  ASSERT_EQ(manifest.shards[1].files.size(), 7u);
  for (const std::string name : {"int8", "hnsw", "ivfpq", "bm25"}) {
    ASSERT_NE(manifest.shards[1].find(name), nullptr);
    const auto shard = open_shard(folder / "n", 1);
    EXPECT_EQ(std::ssize(shard->file(name)), manifest.shards[1].find(name)->bytes);
    const fs::path path = folder / "n" / manifest.generation / "shard-1" / name;
    const std::string whole = base::read_file(path);
    for (const std::size_t at : {std::size_t{0}, whole.size() / 2, whole.size() - 1}) {
      std::string bytes = whole;
      bytes[at] ^= 1;
      base::write_file_atomically(path, bytes);
      EXPECT_THAT(error_text([&] { open_shard(folder / "n", 1); }),
                  HasSubstr("shard-1/" + name + ": block " + std::to_string(at >> 20) + " "));
    }
    base::write_file_atomically(path, whole.substr(0, whole.size() - 1));
    EXPECT_THAT(error_text([&] { open_shard(folder / "n", 1); }), HasSubstr("(it is cut off)"));
    base::write_file_atomically(path, whole);
  }
}

TEST(SnapshotWriter, RefusesVectorsThatAreNotFinite) {
  const rookery::testing::TempFolder folder;
  SnapshotWriter writer(folder / "n", folder / "n/.work", facts(3), {.shards = 1});
  writer.add({4, "s", "", "x"}, std::vector<float>{1, 2, 3});
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_THAT(error_text([&] {
                writer.add({5, "s9", "", "x"}, std::vector<float>{1, std::nanf(""), 3});
              }),
              HasSubstr("row 1 (passage 5, source s9): element 1 of its vector: expected a finite "
                        "number, got NaN"));
  EXPECT_THAT(error_text([&] {
                writer.add({5, "s", "", "x"}, std::vector<float>{-infinity, 2, 3});
              }),
              HasSubstr("element 0 of its vector: expected a finite number, got infinity"));
}

TEST(SnapshotWriter, RefusesIdsThatDoNotRiseAndWrongWidths) {
  const rookery::testing::TempFolder folder;
  SnapshotWriter writer(folder / "n", folder / "n/.work", facts(1), {.shards = 1});
  const std::vector<float> vector{1};
  writer.add({4, "", "", ""}, vector);
  EXPECT_THROW(writer.add({4, "", "", ""}, vector), std::invalid_argument);
  EXPECT_THROW(writer.add({5, "", "", ""}, std::vector<float>{1, 2}), std::invalid_argument);
}

TEST(SnapshotWriter, LeavesNothingVisibleWithoutCommit) {
  const rookery::testing::TempFolder folder;
  {
    SnapshotWriter writer(folder / "n", folder / "n/.work", facts(1), {.shards = 3});
    writer.add({0, "", "", ""}, std::vector<float>{1});
    EXPECT_THAT(error_text([&] { writer.commit(); }),
                HasSubstr("shards: expected at most one for each of the 1 passages, got 3"));
  }
  EXPECT_TRUE(fs::is_empty(folder / "n"));
  EXPECT_THAT(error_text([&] { open_shard(folder / "n", 0); }), HasSubstr("found neither CURRENT"));
}

TEST(SnapshotWriter, KeepsTopicsValuesAndHalves) {
  const rookery::testing::TempFolder folder;
  SnapshotWriter writer(folder / "n", folder / "n/.work", facts(2),
                        {.shards = 1, .vectors = VectorType::kFloat16, .values = true});
  writer.add({4, "s", "t", "x", "History"}, std::vector<float>{1.0F, 0.1F}, -7);
  writer.add({9, "s", "t", "y", ""}, std::vector<float>{65504.0F, -2.0F}, 50'000);
  EXPECT_THAT(error_text([&] {
                writer.add({10, "s", "t", "y"}, std::vector<float>{0, 65520.0F}, 1);
              }),
              HasSubstr("row 2 (passage 10, source s): element 1 of its vector: expected at most "
                        "65504 for float16, got 65520"));
  EXPECT_THROW(writer.add({10, "s", "t", "y"}, std::vector<float>{0, 0}), std::invalid_argument);
  const Manifest manifest = writer.commit();
  EXPECT_EQ(manifest.next_id, 10);
  EXPECT_EQ(load_manifest(folder / "n").to_json(), manifest.to_json());

  const auto shard = open_shard(folder / "n", 0);
  EXPECT_EQ(shard->vector_type(), VectorType::kFloat16);
  EXPECT_TRUE(shard->vectors().empty());
  ASSERT_EQ(shard->half_vectors().size(), 4u);
  EXPECT_EQ(shard->half_vectors()[0], 0x3C00);
  std::vector<float> row(2);
  copy_vector(*shard, 0, row);
  EXPECT_EQ(row, (std::vector<float>{1.0F, 0.0999755859375F}));  // 0.1 as binary16
  copy_vector(*shard, 1, row);
  EXPECT_EQ(row, (std::vector<float>{65504.0F, -2.0F}));
  EXPECT_EQ(std::vector<std::int32_t>(shard->values().begin(), shard->values().end()),
            (std::vector<std::int32_t>{-7, 50'000}));
  EXPECT_EQ(shard->passage(0).topic, "History");
  EXPECT_EQ(shard->passage(1).topic, "");
  EXPECT_TRUE(shard->file("vectors").empty());
}

TEST(SnapshotWriter, ScalesVectorsForCosineAndRefusesZeros) {
  const rookery::testing::TempFolder folder;
  Manifest cosine = facts(2);
  cosine.metric = "cosine";
  SnapshotWriter writer(folder / "n", folder / "n/.work", cosine, {});
  writer.add({0, "a", "", "x"}, std::vector<float>{3, -4});
  EXPECT_THAT(error_text([&] {
                writer.add({1, "b", "", "x"}, std::vector<float>{0, -0.0F});
              }),
              HasSubstr("row 1 (passage 1, source b): its vector: expected a direction for metric "
                        "cosine, got zeros only"));
  writer.commit();
  const auto shard = open_shard(folder / "n", 0);
  EXPECT_EQ(shard->vectors()[0], 0.6F);
  EXPECT_EQ(shard->vectors()[1], -0.8F);
  EXPECT_EQ(load_manifest(folder / "n").metric, "cosine");
}

TEST(SnapshotWriter, WritesSnapshotsWithoutVectorsAndCopiesRowsAsTheyLie) {
  const rookery::testing::TempFolder folder;
  Manifest plain;
  plain.build_key = "texts";
  plain.sources = 2;
  {
    SnapshotWriter writer(folder / "n", folder / "n/.work", plain,
                          {.shards = 2, .vectors = VectorType::kNone});
    writer.add({6, "a", "title", "text", "topic"}, {});
    writer.add({7, "b", "", "more", ""}, {});
    writer.commit();
  }
  const Manifest manifest = load_manifest(folder / "n");
  EXPECT_EQ(manifest.dimension, 0);
  EXPECT_FALSE(manifest.has_encoder());
  EXPECT_EQ(manifest.shards[0].find("vectors"), nullptr);
  SnapshotWriter writer(folder / "m", folder / "m/.work", plain,
                        {.shards = 1, .vectors = VectorType::kNone});
  writer.copy(*open_shard(folder / "n", 0), 0);
  writer.copy(*open_shard(folder / "n", 1), 0);
  writer.commit();
  const auto shard = open_shard(folder / "m", 0);
  EXPECT_EQ(shard->vector_type(), VectorType::kNone);
  EXPECT_EQ(shard->passage(0).topic, "topic");
  EXPECT_EQ(shard->passage(1).text, "more");
  EXPECT_THAT(error_text([&] { check_encoder_fits(manifest, facts(3).encoder); }),
              HasSubstr("holds no vectors; ask it for bm25"));
}

}  // namespace
}  // namespace rookery::index_tools
