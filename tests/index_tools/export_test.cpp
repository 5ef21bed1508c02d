#include "index_tools/export.hpp"

#include "base/atomic_file.hpp"
#include "index_tools/import.hpp"
#include "index_tools/npy_file.hpp"
#include "tests/support/error_text.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/temp_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
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

constexpr std::int64_t kRows = 41;
constexpr std::int64_t kDimension = 5;

template <typename T>
void save(const fs::path& path, const std::vector<T>& values, const NpyHeader& header) {
  NpyWriter writer(path, header);
  writer.write(std::as_bytes(std::span(values)));
  writer.finish();
}

/// Floats of every exponent, signs and subnormals too.
std::vector<float> odd_floats(std::int64_t count) {
  std::mt19937_64 random(rookery::testing::seed());
  std::vector<float> values;
  while (std::ssize(values) < count) {
    const auto value = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
    if (std::isfinite(value)) values.push_back(value);
  }
  return values;
}

class ExportTest : public ::testing::Test {
 protected:
  ExportTest() {
    save(folder / "x.npy", odd_floats(kRows * kDimension),
         {NpyType::kFloat32, 2, kRows, kDimension});
    import.vectors = {folder / "x.npy"};
    import.out = folder / "first";
    import.shards = 3;
    options.snapshot = folder / "first";
  }
  static std::string bytes(const fs::path& path) { return base::read_file(path); }

  TempFolder folder;
  ImportOptions import;
  ExportOptions options;
};

TEST_F(ExportTest, WhatIsExportedIsWhatWasImportedBitForBit) {
  import_snapshot(import);
  options.npy = folder / "out.npy";
  options.ids = folder / "ids.npy";
  const ExportReport report = export_snapshot(options);
  EXPECT_EQ(report.passages, kRows);
  EXPECT_TRUE(report.ids_are_rows);
  EXPECT_EQ(bytes(folder / "out.npy"), bytes(folder / "x.npy"));
  const NpyFile ids(folder / "ids.npy");
  for (std::int64_t row = 0; row < kRows; ++row) EXPECT_EQ(ids.integer(row), row);
}

TEST_F(ExportTest, IdsAndVectorsStayTogetherWhateverTheirOrderWas) {
  std::vector<std::int64_t> wanted;
  for (std::int64_t row = 0; row < kRows; ++row) wanted.push_back((kRows - row) * 7);
  save(folder / "given.npy", wanted, {NpyType::kInt64, 1, kRows, 1});
  import.ids = folder / "given.npy";
  import_snapshot(import);
  options.npy = folder / "out.npy";
  options.ids = folder / "ids.npy";
  EXPECT_FALSE(export_snapshot(options).ids_are_rows);

  const NpyFile before(folder / "x.npy"), after(folder / "out.npy"), ids(folder / "ids.npy");
  std::vector<float> expected(kDimension), got(kDimension);
  for (std::int64_t row = 0; row < kRows; ++row) {
    ASSERT_EQ(ids.integer(row), wanted[static_cast<std::size_t>(kRows - 1 - row)]);
    after.copy_row(row, got);
    before.copy_row(kRows - 1 - row, expected);
    ASSERT_EQ(got, expected);
  }

  // Once more through the snapshot: files, ids and all.
  import.vectors = {folder / "out.npy"};
  import.ids = folder / "ids.npy";
  import.out = folder / "second";
  import.shards = 2;
  import_snapshot(import);
  options.snapshot = folder / "second";
  options.npy = folder / "again.npy";
  options.ids = folder / "ids-again.npy";
  export_snapshot(options);
  EXPECT_EQ(bytes(folder / "again.npy"), bytes(folder / "out.npy"));
  EXPECT_EQ(bytes(folder / "ids-again.npy"), bytes(folder / "ids.npy"));
}

TEST_F(ExportTest, HalvesComeBackAsHalves) {
  std::mt19937_64 random(rookery::testing::seed());
  std::vector<std::uint16_t> halves;
  while (std::ssize(halves) < kRows * kDimension) {
    const auto half = static_cast<std::uint16_t>(random());
    if ((half & 0x7C00U) != 0x7C00U) halves.push_back(half);
  }
  save(folder / "x.npy", halves, {NpyType::kFloat16, 2, kRows, kDimension});
  import.vector_type = VectorType::kFloat16;
  import_snapshot(import);
  options.npy = folder / "out.npy";
  export_snapshot(options);
  EXPECT_EQ(bytes(folder / "out.npy"), bytes(folder / "x.npy"));
}

TEST_F(ExportTest, VectorsOfLengthOneStayAsTheyAre) {
  std::mt19937_64 random(rookery::testing::seed());
  std::normal_distribution<float> normal;
  std::vector<float> vectors;
  for (std::int64_t i = 0; i < kRows * kDimension; ++i) vectors.push_back(normal(random));
  save(folder / "x.npy", vectors, {NpyType::kFloat32, 2, kRows, kDimension});
  import.metric = "cosine";
  import_snapshot(import);
  options.npy = folder / "scaled.npy";
  export_snapshot(options);
  import.vectors = {folder / "scaled.npy"};
  import_snapshot(import);
  options.npy = folder / "again.npy";
  export_snapshot(options);
  EXPECT_EQ(bytes(folder / "again.npy"), bytes(folder / "scaled.npy"));
}

TEST_F(ExportTest, RefusesWhatIsNotThere) {
  import_snapshot(import);
  EXPECT_THAT(error_text([&] { export_snapshot(options); }), HasSubstr("--npy"));
  options.values = folder / "values.npy";
  EXPECT_THAT(error_text([&] { export_snapshot(options); }), HasSubstr("without values"));
  options.values.clear();
  options.faiss = folder / "x.faiss";
  options.faiss_kind = "lsh";
  EXPECT_THAT(error_text([&] { export_snapshot(options); }), HasSubstr("got 'lsh'"));
  options.snapshot = folder / "nowhere";
  EXPECT_THAT(error_text([&] { export_snapshot(options); }), HasSubstr("no such snapshot"));
}

TEST_F(ExportTest, FaissFilesComeBackWithVectorsAndIds) {
  std::vector<float> vectors;
  for (std::int64_t i = 0; i < kRows * kDimension; ++i) {
    vectors.push_back(static_cast<float>((i * 37) % 101) / 8);
  }
  save(folder / "x.npy", vectors, {NpyType::kFloat32, 2, kRows, kDimension});
  import_snapshot(import);
  options.npy = folder / "before.npy";
  for (const char* kind : {"flat", "hnsw"}) {
    options.faiss = folder / "x.faiss";
    options.faiss_kind = kind;
    options.threads = 1;
    export_snapshot(options);
    ImportOptions back;
    back.vectors = {folder / "x.faiss"};
    back.out = folder / kind;
    EXPECT_EQ(import_snapshot(back).manifest.metric, "inner_product");
    ExportOptions again;
    again.snapshot = folder / kind;
    again.npy = folder / "after.npy";
    export_snapshot(again);
    EXPECT_EQ(bytes(folder / "after.npy"), bytes(folder / "before.npy")) << kind;
  }
}

TEST_F(ExportTest, AGraphFileNeedsIdsThatAreRows) {
  std::vector<std::int64_t> wanted;
  for (std::int64_t row = 0; row < kRows; ++row) wanted.push_back(row + 1);
  save(folder / "given.npy", wanted, {NpyType::kInt64, 1, kRows, 1});
  import.ids = folder / "given.npy";
  import_snapshot(import);
  options.faiss = folder / "x.faiss";
  options.faiss_kind = "hnsw";
  EXPECT_THAT(error_text([&] { export_snapshot(options); }),
              AllOf(HasSubstr("ids up to 41"), HasSubstr("flat")));
  EXPECT_FALSE(fs::exists(folder / "x.faiss"));
}

}  // namespace
}  // namespace rookery::index_tools
