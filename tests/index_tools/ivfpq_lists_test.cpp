#include "index_tools/ivfpq_lists.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>

#include "base/atomic_file.hpp"
#include "index_tools/detail/generation_file.hpp"
#include "index_tools/faiss/faiss_bridge.hpp"
#include "tests/support/error_text.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/temp_folder.hpp"

namespace rookery::index_tools {
namespace {

using rookery::testing::error_text;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::int32_t kDimension = 24;

/// Vectors in memory; `half` keeps them as binary16.
class VectorShard final : public SnapshotShard {
 public:
  VectorShard(std::vector<std::int64_t> ids, std::vector<float> vectors, bool half = false)
      : ids_(std::move(ids)), vectors_(std::move(vectors)), half_(half) {
    for (const float x : vectors_) halves_.push_back(to_half(x));
    if (half) vectors_.clear();
  }
  [[nodiscard]] std::int32_t shard() const override { return 0; }
  [[nodiscard]] std::int64_t count() const override { return std::ssize(ids_); }
  [[nodiscard]] std::int32_t dimension() const override { return kDimension; }
  [[nodiscard]] std::span<const std::int64_t> ids() const override { return ids_; }
  [[nodiscard]] VectorType vector_type() const override {
    return half_ ? VectorType::kFloat16 : VectorType::kFloat32;
  }
  [[nodiscard]] std::span<const float> vectors() const override { return vectors_; }
  [[nodiscard]] std::span<const std::uint16_t> half_vectors() const override { return halves_; }
  [[nodiscard]] PassageView passage(std::int64_t row) const override { return {row, {}, {}, {}}; }
  [[nodiscard]] std::optional<std::int64_t> row_of(std::int64_t /*id*/) const override {
    return std::nullopt;
  }

 private:
  std::vector<std::int64_t> ids_;
  std::vector<float> vectors_;
  std::vector<std::uint16_t> halves_;
  bool half_;
};

// Rows around some centres, as passages lie around topics.
std::vector<float> clustered(std::int64_t rows) {
  std::mt19937_64 random(rookery::testing::seed());
  std::normal_distribution<float> normal;
  std::vector<float> centres(40 * kDimension);
  for (float& x : centres) x = normal(random);
  std::vector<float> vectors(static_cast<std::size_t>(rows * kDimension));
  for (std::size_t at = 0; at < vectors.size(); ++at) {
    const std::size_t centre = (at / kDimension * 7919) % 40;
    vectors[at] = centres[centre * kDimension + at % kDimension] + 0.3F * normal(random);
  }
  return vectors;
}

using Shards = std::vector<std::shared_ptr<const SnapshotShard>>;

// Row r goes to shard r % shards, as in a snapshot; its id is 5 r.
Shards split(const std::vector<float>& vectors, std::size_t shards, bool half = false) {
  std::vector<std::vector<std::int64_t>> ids(shards);
  std::vector<std::vector<float>> parts(shards);
  for (std::size_t row = 0; row * kDimension < vectors.size(); ++row) {
    ids[row % shards].push_back(static_cast<std::int64_t>(row) * 5);
    const auto begin = vectors.begin() + static_cast<std::ptrdiff_t>(row) * kDimension;
    parts[row % shards].insert(parts[row % shards].end(), begin, begin + kDimension);
  }
  Shards result;
  for (std::size_t s = 0; s < shards; ++s) {
    result.push_back(std::make_shared<VectorShard>(ids[s], parts[s], half));
  }
  return result;
}

IvfPqParameters small_parameters() {
  IvfPqParameters parameters;
  parameters.nlist = 16;
  parameters.pq_bytes = 6;
  parameters.nprobe = 4;
  return parameters;
}

// The bytes of a written file, 8-byte aligned as a mapping is.
struct Written {
  std::vector<std::int64_t> words;
  std::size_t size = 0;
  [[nodiscard]] std::span<const std::byte> bytes() const {
    return std::as_bytes(std::span(words)).first(size);
  }
  template <typename T>
  void put(std::size_t offset, T value) {
    std::memcpy(reinterpret_cast<char*>(words.data()) + offset, &value, sizeof value);
  }
};

Written write(const SnapshotShard& shard, const std::string& metric, const IvfPqModel& model) {
  const rookery::testing::TempFolder folder;
  detail::GenerationFile file(folder.path(), "ivfpq");
  write_ivfpq_lists(shard, metric, model, 2, file);
  file.finish();
  const std::string text = base::read_file(folder / "ivfpq");
  Written written{std::vector<std::int64_t>(text.size() / 8 + 1), text.size()};
  std::memcpy(written.words.data(), text.data(), text.size());
  return written;
}

double squared_distance(const float* a, const float* b) {
  double sum = 0;
  for (std::int32_t i = 0; i < kDimension; ++i) {
    const double difference = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    sum += difference * difference;
  }
  return sum;
}

TEST(IvfPqListsTest, EveryRowStandsInItsNearestListWithItsNearestCodewords) {
  const auto vectors = clustered(1000);
  const Shards shards = split(vectors, 1);
  const IvfPqModel model = train_ivfpq(shards, "l2", small_parameters(), 2);
  const Written file = write(*shards[0], "l2", model);
  const IvfPqLists lists = IvfPqLists::open(file.bytes(), 1000, kDimension, "ivfpq");
  EXPECT_EQ(lists.parameters, model.parameters);
  EXPECT_TRUE(lists.l2);
  ASSERT_EQ(lists.rows.size(), 1000U);
  constexpr std::int32_t kWidth = kDimension / 6;
  std::vector<bool> seen(1000);
  for (std::int32_t list = 0; list < 16; ++list) {
    const std::vector<std::uint8_t> codes = lists.list_codes(list);
    const float* centroid = lists.centroids.data() + list * kDimension;
    for (std::int64_t at = lists.list_begins[list]; at < lists.list_begins[list + 1]; ++at) {
      const std::int32_t row = lists.rows[at];
      EXPECT_FALSE(seen[row]);
      seen[row] = true;
      const float* vector = vectors.data() + std::int64_t{row} * kDimension;
      for (std::int32_t other = 0; other < 16; ++other) {
        EXPECT_LE(squared_distance(vector, centroid),
                  squared_distance(vector, lists.centroids.data() + other * kDimension) + 1e-4);
      }
      double term = 0;
      for (std::int32_t m = 0; m < 6; ++m) {
        const auto distance = [&](std::int32_t word) {
          double sum = 0;
          for (std::int32_t i = 0; i < kWidth; ++i) {
            const double r = lists.codebooks[(m * 256 + word) * kWidth + i];
            const double rest = vector[m * kWidth + i] - centroid[m * kWidth + i] - r;
            sum += rest * rest;
          }
          return sum;
        };
        const std::uint8_t code = codes[(at - lists.list_begins[list]) * 6 + m];
        for (std::int32_t word = 0; word < 256; word += 5) {
          EXPECT_LE(distance(code), distance(word) + 1e-4);
        }
        for (std::int32_t i = 0; i < kWidth; ++i) {
          const double r = lists.codebooks[(m * 256 + code) * kWidth + i];
          term += r * r + 2 * r * centroid[m * kWidth + i];
        }
      }
      EXPECT_NEAR(lists.row_terms[at], term, 1e-4);
    }
  }
}

TEST(IvfPqListsTest, TheModelDependsNeitherOnShardsNorOnARepetition) {
  const auto vectors = clustered(1500);
  IvfPqParameters parameters = small_parameters();
  parameters.train_rows = 700;
  const IvfPqModel one = train_ivfpq(split(vectors, 1), "inner_product", parameters, 1);
  const IvfPqModel three = train_ivfpq(split(vectors, 3), "inner_product", parameters, 1);
  EXPECT_EQ(one.centroids, three.centroids);
  EXPECT_EQ(one.codebooks, three.codebooks);
  EXPECT_EQ(one.centroids.size(), 16U * kDimension);
  EXPECT_EQ(one.codebooks.size(), 256U * kDimension);
  parameters.train_rows = 701;
  const IvfPqModel other = train_ivfpq(split(vectors, 1), "inner_product", parameters, 1);
  EXPECT_NE(one.centroids, other.centroids) << "another sample gives another model";
}

TEST(IvfPqListsTest, HalfPrecisionRowsAreEncodedAsTheirValues) {
  auto vectors = clustered(600);
  const Shards halves = split(vectors, 1, true);
  for (float& x : vectors) x = from_half(to_half(x));
  const Shards floats = split(vectors, 1);
  const IvfPqModel model = train_ivfpq(halves, "l2", small_parameters(), 1);
  EXPECT_EQ(model.centroids, train_ivfpq(floats, "l2", small_parameters(), 1).centroids);
  EXPECT_EQ(write(*halves[0], "l2", model).words, write(*floats[0], "l2", model).words);
}

TEST(IvfPqListsTest, ListsAreFourRootsOfTheRowsUnlessTheyWouldBeTooThin) {
  EXPECT_EQ(default_nlist(21'000'000), 18'330);
  EXPECT_EQ(default_nlist(200'000), 1789);
  EXPECT_EQ(default_nlist(7359), 188);
  EXPECT_EQ(default_nlist(30), 1);
  IvfPqParameters parameters = small_parameters();
  parameters.nlist = 0;
  EXPECT_EQ(train_ivfpq(split(clustered(1000), 2), "l2", parameters, 1).parameters.nlist, 25);
}

TEST(IvfPqListsTest, SaysWhatWouldFit) {
  const Shards shards = split(clustered(300), 1);
  const auto refusal = [&](const IvfPqParameters& parameters, const Shards& of) {
    return error_text([&] { (void)train_ivfpq(of, "l2", parameters, 1); });
  };
  IvfPqParameters parameters = small_parameters();
  parameters.pq_bytes = 64;
  EXPECT_THAT(
      refusal(parameters, shards),
      AllOf(HasSubstr("divides the dimension 24 (1, 2, 3, 4, 6, 8, 12, 24)"), HasSubstr("got 64")));
  parameters = small_parameters();
  parameters.nlist = 301;
  EXPECT_THAT(refusal(parameters, shards),
              AllOf(HasSubstr("(300), better 7"), HasSubstr("got 301")));
  EXPECT_THAT(refusal(small_parameters(), split(clustered(255), 1)),
              AllOf(HasSubstr("at least 256 rows"), HasSubstr("got 255")));
}

TEST(IvfPqListsTest, FaissWritesTheSameLists) {
  const Shards shards = split(clustered(500), 1);
  const IvfPqModel model = train_ivfpq(shards, "l2", small_parameters(), 1);
  const Written file = write(*shards[0], "l2", model);
  const IvfPqLists lists = IvfPqLists::open(file.bytes(), 500, kDimension, "ivfpq");
  const FaissIvfPq theirs = to_faiss(lists);
  const rookery::testing::TempFolder folder;
  detail::GenerationFile again(folder.path(), "ivfpq");
  write_ivfpq_lists(theirs, model.parameters, true, kDimension, 1, again);
  again.finish();
  EXPECT_EQ(base::read_file(folder / "ivfpq"),
            std::string(reinterpret_cast<const char*>(file.words.data()), file.size));
  faiss_bridge().write_ivfpq(folder / "index.faiss", {{}, kDimension, true}, theirs);
  EXPECT_GT(std::filesystem::file_size(folder / "index.faiss"), 500U * 14);
}

TEST(IvfPqListsTest, ACoarseGraphReachesEveryList) {
  const Shards shards = split(clustered(800), 1);
  IvfPqParameters parameters = small_parameters();
  parameters.coarse = "hnsw";
  parameters.nlist = 64;
  const IvfPqModel model = train_ivfpq(shards, "l2", parameters, 1);
  const Written file = write(*shards[0], "l2", model);
  const IvfPqLists lists = IvfPqLists::open(file.bytes(), 800, kDimension, "ivfpq");
  EXPECT_EQ(lists.parameters.coarse, "hnsw");
  EXPECT_EQ(lists.coarse.count, 64);
}

class DamagedIvfPqTest : public ::testing::Test {
 protected:
  // Header words as they lie: magic, count, dimension, nlist, pq_bytes, nprobe, candidates, …
  static constexpr std::size_t kWord = 8, kCentroids = 128, kCodebooks = kCentroids + 16 * 24 * 4,
                               kBegins = kCodebooks + 256 * 24 * 4, kRows = kBegins + 192,
                               kTerms = kRows + 2048;
  static void SetUpTestSuite() {
    const Shards shards = split(clustered(500), 1);
    sound_ = write(*shards[0], "l2", train_ivfpq(shards, "l2", small_parameters(), 1));
  }
  static std::string refusal(const Written& file) {
    return error_text([&] { (void)IvfPqLists::open(file.bytes(), 500, kDimension, "a/ivfpq"); });
  }
  template <typename T>
  static std::string with(std::size_t offset, T value) {
    Written file = sound_;
    file.put(offset, value);
    return refusal(file);
  }
  static Written sound_;
};
Written DamagedIvfPqTest::sound_;

TEST_F(DamagedIvfPqTest, SizesAreCheckedBeforeTheyAreUsed) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{7}, std::size_t{127}, std::size_t{128},
                                 sound_.size - 64, sound_.size - 1}) {
    Written file = sound_;
    file.size = size;
    EXPECT_THAT(refusal(file), AllOf(HasSubstr("a/ivfpq: "), HasSubstr("bytes"))) << size;
  }
  EXPECT_THAT(with(0, 'X'), HasSubstr("other bytes at its start"));
  EXPECT_THAT(with(1 * kWord, std::int64_t{501}), HasSubstr("rows: expected"));
  EXPECT_THAT(with(2 * kWord, std::int64_t{25}), HasSubstr("dimension: expected"));
  for (const std::int64_t lists : {std::int64_t{0}, std::int64_t{-1}, std::int64_t{1} << 40}) {
    EXPECT_THAT(with(3 * kWord, lists), HasSubstr("nlist: expected"));
  }
  EXPECT_THAT(with(3 * kWord, std::int64_t{1 << 20}), HasSubstr("bytes, got"));
  EXPECT_THAT(with(4 * kWord, std::int64_t{5}), HasSubstr("divides 24"));
  EXPECT_THAT(with(4 * kWord, std::int64_t{48}), HasSubstr("pq_bytes: expected"));
  EXPECT_THAT(with(5 * kWord, std::int64_t{0}), HasSubstr("nprobe: expected"));
  EXPECT_THAT(with(6 * kWord, std::int64_t{-1}), HasSubstr("candidates: expected"));
  EXPECT_THAT(with(7 * kWord, std::int64_t{2}), HasSubstr("l2: expected"));
  EXPECT_THAT(with(8 * kWord, std::int64_t{9}), HasSubstr("coarse: expected"));
  EXPECT_THAT(with(9 * kWord, std::int64_t{0}), HasSubstr("train_rows: expected"));
  EXPECT_THAT(with(15 * kWord, std::int64_t{1}), HasSubstr("reserved: expected"));
}

TEST_F(DamagedIvfPqTest, EveryNumberIsChecked) {
  ASSERT_EQ(refusal(sound_), "(no error)");
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(with(kCentroids + 4 * 24 * 3, nan), HasSubstr("centroid 3: expected finite"));
  EXPECT_THAT(with(kCentroids, 2e18F), HasSubstr("centroid 0: expected finite"));
  EXPECT_THAT(with(kCodebooks + 4 * 4 * 300, nan), HasSubstr("codeword 300: expected finite"));
  EXPECT_THAT(with(kBegins, std::int64_t{1}), HasSubstr("expected lists over rows 0 to 500"));
  EXPECT_THAT(with(kBegins + 16 * kWord, std::int64_t{499}), HasSubstr("expected lists over"));
  EXPECT_THAT(with(kBegins + 5 * kWord, std::int64_t{-4}), HasSubstr("list 4: expected an end"));
  EXPECT_THAT(with(kBegins + 5 * kWord, std::int64_t{600}), HasSubstr("list 5: expected an end"));
  EXPECT_THAT(with(kRows, std::int32_t{-1}), HasSubstr("expected rising rows in [0, 500)"));
  EXPECT_THAT(with(kRows + 4 * 499, std::int32_t{500}), HasSubstr("expected rising rows"));
  EXPECT_THAT(with(kTerms + 4 * 499, nan), HasSubstr("row term 499"));
  // A row that stands twice, in different lists.
  const IvfPqLists lists = IvfPqLists::open(sound_.bytes(), 500, kDimension, "ivfpq");
  const auto second =
      static_cast<std::size_t>(*std::find_if(lists.list_begins.begin(), lists.list_begins.end(),
                                             [](std::int64_t begin) { return begin > 0; }));
  ASSERT_LT(second, 500U);
  const std::int32_t twice = lists.rows[0];
  EXPECT_THAT(with(kRows + 4 * second, twice), HasSubstr("each in one list"));
}

}  // namespace
}  // namespace rookery::index_tools
