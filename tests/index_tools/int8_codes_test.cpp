#include "index_tools/int8_codes.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "base/atomic_file.hpp"
#include "index_tools/detail/generation_file.hpp"
#include "tests/support/error_text.hpp"
#include "tests/support/temp_folder.hpp"

namespace rookery::index_tools {
namespace {

using rookery::testing::error_text;

class VectorShard final : public SnapshotShard {
 public:
  VectorShard(std::int32_t dimension, std::vector<float> vectors)
      : dimension_(dimension), vectors_(std::move(vectors)) {
    for (std::int64_t row = 0; row < std::ssize(vectors_) / dimension; ++row) ids_.push_back(row);
  }
  [[nodiscard]] std::int32_t shard() const override { return 2; }
  [[nodiscard]] std::int64_t count() const override { return std::ssize(ids_); }
  [[nodiscard]] std::int32_t dimension() const override { return dimension_; }
  [[nodiscard]] std::span<const std::int64_t> ids() const override { return ids_; }
  [[nodiscard]] std::span<const float> vectors() const override { return vectors_; }
  [[nodiscard]] PassageView passage(std::int64_t) const override { return {}; }
  [[nodiscard]] std::optional<std::int64_t> row_of(std::int64_t) const override { return {}; }

 private:
  std::int32_t dimension_;
  std::vector<float> vectors_;
  std::vector<std::int64_t> ids_;
};

std::vector<std::byte> written(const SnapshotShard& shard) {
  const rookery::testing::TempFolder folder;
  detail::GenerationFile file(folder.path(), "int8");
  write_int8_codes(shard, file);
  file.finish();
  const std::string text = base::read_file(folder / "int8");
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

// 70 rows of 37: sizes that fill up neither a stride nor a column.
VectorShard some_shard() {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  std::vector<float> vectors(70 * 37);
  for (float& x : vectors) x = normal(random);
  for (std::size_t i = 0; i < 37; ++i) {
    vectors[i] = 0;                                                 // row 0
    vectors[37 + i] = std::ldexp(static_cast<float>(i % 5), -149);  // row 1
    vectors[74 + i] *= 1e17F;                                       // row 2
  }
  vectors[37 * 3 + 8] = 300;  // row 3: one element takes all codes
  return {37, vectors};
}

TEST(Int8CodesTest, BoundsHoldAndAreTightForEveryRow) {
  const VectorShard shard = some_shard();
  const auto bytes = written(shard);
  const Int8Codes codes = Int8Codes::open(bytes, 70, 37, "here");
  ASSERT_EQ(codes.stride, 64);
  for (std::size_t row = 0; row < 70; ++row) {
    double lost = 0, kept = 0, largest = 0;
    const auto scale = static_cast<double>(codes.scales[row]);
    for (std::size_t i = 0; i < 64; ++i) {
      const int code = codes.codes[row * 64 + i] - 128;
      if (i >= 37) {
        EXPECT_EQ(code, 0) << "padding";
        continue;
      }
      const auto x = static_cast<double>(shard.vectors()[row * 37 + i]);
      lost += (x - scale * code) * (x - scale * code);
      kept += scale * code * scale * code;
      largest = std::max(largest, std::abs(x));
    }
    const auto error = static_cast<double>(codes.errors[row]);
    const auto norm = static_cast<double>(codes.norms[row]);
    EXPECT_GE(error, std::sqrt(lost)) << row;
    EXPECT_GE(norm, std::sqrt(kept)) << row;
    // Rounded up by less than two steps of float.
    EXPECT_LE(error, std::sqrt(lost) * (1 + 0x1p-22) + 0x1p-148) << row;
    EXPECT_LE(norm, std::sqrt(kept) * (1 + 0x1p-22) + 0x1p-148) << row;
    if (row > 1) {
      EXPECT_LE(error, 0.51 * scale * std::sqrt(37.0)) << row;
      EXPECT_NEAR(scale, largest / 127, 1e-6 * largest) << row;
    }
  }
  EXPECT_EQ(codes.scales[0], 0.0F);
  EXPECT_EQ(codes.errors[0], 0.0F);
}

TEST(Int8CodesTest, RefusesDamageBeforeItIsUsed) {
  const VectorShard shard = some_shard();
  const auto sound = written(shard);
  const auto damaged = [&](std::size_t at, auto value) {
    auto bytes = sound;
    std::memcpy(bytes.data() + at, &value, sizeof value);
    return error_text([&] { (void)Int8Codes::open(bytes, 70, 37, "here"); });
  };
  EXPECT_EQ(damaged(0, 'X'),
            "here: expected an int8 file, got another magic number; build the int8 index again");
  EXPECT_EQ(damaged(8, std::uint32_t{9}),
            "here: expected version 1, got 9; build the int8 index again");
  EXPECT_EQ(damaged(12, std::uint32_t{38}),
            "here: expected dimension 37, got 38; build the int8 index again");
  EXPECT_EQ(damaged(16, std::int64_t{1} << 62),
            "here: expected 70 rows, got 4611686018427387904; build the int8 index again");
  EXPECT_EQ(damaged(24, std::uint32_t{128}),
            "here: expected 64 bytes a row, got 128; build the int8 index again");
  const std::size_t scales = 64 + 70 * 64, column = 320;
  EXPECT_EQ(damaged(scales + 4 * 5, -1.0F),
            "here: scale of row 5: expected a number in [0, 1e18], got -1.000000; build the int8 "
            "index again");
  EXPECT_EQ(damaged(scales + column + 4 * 6, NAN),
            "here: error of row 6: expected a number in [0, 1e18], got nan; build the int8 index "
            "again");
  EXPECT_EQ(damaged(scales + 2 * column + 4 * 69, INFINITY),
            "here: norm of row 69: expected a number in [0, 1e18], got inf; build the int8 index "
            "again");
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{63}, std::size_t{64}, sound.size() - 1}) {
    EXPECT_NE(
        error_text([&] { (void)Int8Codes::open(std::span(sound).first(size), 70, 37, "here"); }),
        "(no error)")
        << size;
  }
}

TEST(Int8CodesTest, RefusesVectorsThatAreUnsound) {
  const VectorShard shard(2, {1, 2, 3, INFINITY});
  EXPECT_EQ(error_text([&] { (void)written(shard); }),
            "shard 2: the vector in row 1 holds NaN or infinity, or is longer than 1e18");
}

}  // namespace
}  // namespace rookery::index_tools
