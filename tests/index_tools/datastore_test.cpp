#include "index_tools/datastore.hpp"

#include "index_tools/npy_file.hpp"
#include "index_tools/snapshot.hpp"
#include "tests/support/error_text.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/temp_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace rookery::index_tools {
namespace {

namespace fs = std::filesystem;
using rookery::testing::error_text;
using rookery::testing::TempFolder;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::int32_t kDimension = 4;

struct Entries {
  explicit Entries(std::int64_t count) {
    std::mt19937_64 random(rookery::testing::seed());
    std::normal_distribution<float> normal;
    for (std::int64_t entry = 0; entry < count; ++entry) {
      for (std::int32_t i = 0; i < kDimension; ++i) keys.push_back(normal(random));
      values.push_back(static_cast<std::int32_t>(random() % 50'000));
    }
  }
  std::vector<float> keys;
  std::vector<std::int32_t> values;
};

template <typename T>
fs::path save(const fs::path& path, std::span<const T> values, NpyType type,
              std::int64_t columns = 0) {
  const std::int64_t rows = std::ssize(values) / std::max<std::int64_t>(columns, 1);
  NpyWriter writer(path, {type, columns > 0 ? 2 : 1, rows, std::max<std::int64_t>(columns, 1)});
  writer.write(std::as_bytes(values));
  writer.finish();
  return path;
}

DatastoreOptions options_for(const TempFolder& folder) {
  DatastoreOptions options;
  options.out = folder / "store";
  options.dimension = kDimension;
  options.corpus_name = "hidden states";
  return options;
}

TEST(Datastore, EntriesComeBackByTheirPositionWhateverThePiecesTheyCameIn) {
  const TempFolder folder;
  const Entries entries(101);
  DatastoreOptions options = options_for(folder);
  options.shards = 3;
  DatastoreWriter writer(options);
  const std::span<const float> keys(entries.keys);
  const std::span<const std::int32_t> values(entries.values);
  writer.add(keys.first(0), values.first(0));
  writer.add(keys.first(7 * kDimension), values.first(7));
  writer.add(keys.subspan(7 * kDimension), values.subspan(7));
  EXPECT_EQ(writer.count(), 101);

  const Manifest manifest = writer.commit();

  EXPECT_EQ(manifest.metric, "l2");
  EXPECT_TRUE(manifest.values);
  EXPECT_EQ(manifest.passages, 101);
  EXPECT_EQ(load_manifest(options.out).content_key, manifest.content_key);
  std::int64_t seen = 0;
  for (std::int32_t number = 0; number < 3; ++number) {
    const auto shard = open_shard(options.out, number);
    ASSERT_EQ(std::ssize(shard->values()), shard->count());
    for (std::int64_t row = 0; row < shard->count(); ++row, ++seen) {
      const auto id = static_cast<std::size_t>(shard->ids()[static_cast<std::size_t>(row)]);
      ASSERT_EQ(id % 3, static_cast<std::size_t>(number));
      EXPECT_EQ(shard->values()[static_cast<std::size_t>(row)], entries.values[id]);
      EXPECT_EQ(std::memcmp(&shard->vectors()[static_cast<std::size_t>(row) * kDimension],
                            &entries.keys[id * kDimension], kDimension * sizeof(float)),
                0);
      EXPECT_EQ(shard->passage(row).text, "");
    }
  }
  EXPECT_EQ(seen, 101);
}

TEST(Datastore, OfFilesIsTheOneOfArrays) {
  const TempFolder folder;
  const Entries entries(40);
  DatastoreOptions options = options_for(folder);
  std::string expected;
  {
    DatastoreWriter writer(options);
    writer.add(entries.keys, entries.values);
    expected = writer.commit().generation;
  }
  const std::span<const float> keys(entries.keys);
  const std::vector<std::int64_t> wide(entries.values.begin(), entries.values.end());
  DatastoreFiles files;
  files.keys = {
      save(folder / "a.npy", keys.first(9 * kDimension), NpyType::kFloat32, kDimension),
      save(folder / "b.npy", keys.subspan(9 * kDimension), NpyType::kFloat32, kDimension)};
  files.values = {
      save(folder / "v.npy", std::span<const std::int64_t>(wide).first(25), NpyType::kInt64),
      save(folder / "w.npy", std::span<const std::int64_t>(wide).subspan(25), NpyType::kInt64)};
  options.dimension = 0;
  options.out = folder / "other";
  const Manifest manifest = build_datastore(files, options);
  EXPECT_EQ(manifest.generation, expected);

  options.vector_type = VectorType::kFloat16;
  build_datastore(files, options);
  const auto half = open_shard(options.out, 0);
  EXPECT_EQ(half->half_vectors()[5], to_half(entries.keys[5]));
}

TEST(Datastore, OtherValuesMakeAnotherGeneration) {
  const TempFolder folder;
  Entries entries(10);
  const auto build = [&] {
    DatastoreWriter writer(options_for(folder));
    writer.add(entries.keys, entries.values);
    return writer.commit();
  };
  const Manifest first = build();
  entries.values[3] += 1;
  const Manifest second = build();
  EXPECT_NE(first.content_key, second.content_key);
  EXPECT_NE(first.generation, second.generation);
}

TEST(Datastore, RefusesWhatDoesNotFit) {
  const TempFolder folder;
  const Entries entries(10);
  DatastoreOptions options = options_for(folder);
  {
    DatastoreWriter writer(options);
    EXPECT_THROW(writer.add(entries.keys, std::span(entries.values).first(9)),
                 std::invalid_argument);
    std::vector<float> keys = entries.keys;
    keys[2 * kDimension] = std::numeric_limits<float>::infinity();
    EXPECT_THAT(error_text([&] { writer.add(keys, entries.values); }),
                AllOf(HasSubstr("row 2"), HasSubstr("infinity")));
    EXPECT_THAT(error_text([&] { DatastoreWriter second(options); }), HasSubstr("process"));
  }
  EXPECT_TRUE(fs::is_empty(options.out)) << "what was not committed is gone";

  const std::span<const float> keys(entries.keys);
  const std::span<const std::int32_t> values(entries.values);
  DatastoreFiles files;
  files.keys = {save(folder / "k.npy", keys, NpyType::kFloat32, kDimension)};
  files.values = {save(folder / "v.npy", values.first(9), NpyType::kInt32)};
  const auto complaint = [&] { return error_text([&] { build_datastore(files, options); }); };
  EXPECT_THAT(complaint(), AllOf(HasSubstr("v.npy"), HasSubstr("10 keys"), HasSubstr("got 9")));
  const std::vector<std::int64_t> wide(10, std::int64_t{1} << 31);
  files.values = {save(folder / "w.npy", std::span<const std::int64_t>(wide), NpyType::kInt64)};
  EXPECT_THAT(complaint(), AllOf(HasSubstr("w.npy: row 0"), HasSubstr("got 2147483648")));
  files.values = {files.keys.front()};
  EXPECT_THAT(complaint(), HasSubstr("integers"));
  files.values = {save(folder / "v.npy", values, NpyType::kInt32)};
  options.dimension = 5;
  EXPECT_THAT(complaint(), AllOf(HasSubstr("dimension 5"), HasSubstr("got 4")));
  options.dimension = 0;
  options.shards = 11;
  EXPECT_THAT(complaint(), AllOf(HasSubstr("10 entries"), HasSubstr("got 11")));
  options.shards = 1;
  options.vector_type = VectorType::kNone;
  EXPECT_THAT(complaint(), HasSubstr("got none"));
  EXPECT_TRUE(fs::is_empty(options.out));
}

}  // namespace
}  // namespace rookery::index_tools
