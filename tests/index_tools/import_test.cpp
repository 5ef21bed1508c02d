#include "index_tools/import.hpp"

#include "base/atomic_file.hpp"
#include "index_tools/faiss/faiss_bridge.hpp"
#include "index_tools/npy_file.hpp"
#include "index_tools/snapshot.hpp"
#include "tests/support/error_text.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/temp_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
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

constexpr std::int32_t kDimension = 6;

std::vector<float> random_vectors(std::int64_t rows, std::int32_t dimension = kDimension) {
  std::mt19937_64 random(rookery::testing::seed());
  std::normal_distribution<float> normal;
  std::vector<float> vectors(static_cast<std::size_t>(rows * dimension));
  for (float& value : vectors) value = normal(random);
  return vectors;
}

template <typename T>
void save(const fs::path& path, const std::vector<T>& values, NpyType type, std::int64_t rows,
          std::int64_t columns = 0) {
  NpyWriter writer(path, {type, columns > 0 ? 2 : 1, rows, std::max<std::int64_t>(columns, 1)});
  writer.write(std::as_bytes(std::span(values)));
  writer.finish();
}

void save(const fs::path& path, const std::vector<float>& vectors,
          std::int32_t dimension = kDimension) {
  save(path, vectors, NpyType::kFloat32, std::ssize(vectors) / dimension, dimension);
}

/// DPR's table: ids from 1, texts in quotes.
std::string psgs(std::int64_t rows) {
  std::string table = "id\ttext\ttitle\n";
  for (std::int64_t row = 0; row < rows; ++row) {
    table += std::to_string(row + 1) + "\t\"The \"\"text\"\" of " + std::to_string(row) +
             "\"\tTitle " + std::to_string(row) + "\n";
  }
  return table;
}

class ImportTest : public ::testing::Test {
 protected:
  ImportTest() {
    options.vectors = {folder / "x.npy"};
    options.out = folder / "imported";
    options.encoder.name = "dpr";
  }
  std::string complaint() {
    std::string text = error_text([&] { import_snapshot(options); });
    // Nothing half-written, whatever was wrong.
    EXPECT_TRUE(!fs::exists(options.out) || fs::is_empty(options.out)) << text;
    return text;
  }
  [[nodiscard]] std::unique_ptr<SnapshotShard> shard(std::int32_t number = 0) const {
    return open_shard(options.out, number);
  }

  TempFolder folder;
  ImportOptions options;
};

TEST_F(ImportTest, PartsOfVectorsMeetTheTextsOfTheirRows) {
  const std::vector<float> vectors = random_vectors(25);
  const auto part = [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    return std::vector<float>(vectors.begin() + begin * kDimension,
                              vectors.begin() + end * kDimension);
  };
  save(folder / "a.npy", part(0, 10));
  save(folder / "b.npy", part(10, 11));
  save(folder / "c.npy", part(11, 25));
  base::write_file_atomically(folder / "psgs_w100.tsv", psgs(25));
  options.vectors = {folder / "a.npy", folder / "b.npy", folder / "c.npy"};
  options.passages = folder / "psgs_w100.tsv";
  options.shards = 2;

  const ImportReport report = import_snapshot(options);

  EXPECT_EQ(report.manifest.passages, 25);
  EXPECT_EQ(report.manifest.metric, "inner_product");
  EXPECT_EQ(report.manifest.encoder.name, "dpr");
  EXPECT_EQ(report.manifest.corpus, "psgs_w100.tsv");
  for (std::int32_t number = 0; number < 2; ++number) {
    const auto part_shard = shard(number);
    ASSERT_EQ(part_shard->count(), 13 - number);
    for (std::int64_t row = 0; row < part_shard->count(); ++row) {
      const PassageView passage = part_shard->passage(row);
      ASSERT_EQ(passage.id, 2 * row + number);
      EXPECT_EQ(passage.source_id, std::to_string(passage.id + 1)) << "the table's own id";
      EXPECT_EQ(passage.text, "The \"text\" of " + std::to_string(passage.id));
      EXPECT_EQ(passage.title, "Title " + std::to_string(passage.id));
      EXPECT_EQ(std::memcmp(&part_shard->vectors()[static_cast<std::size_t>(row * kDimension)],
                            &vectors[static_cast<std::size_t>(passage.id * kDimension)],
                            kDimension * sizeof(float)),
                0);
    }
  }
}

TEST_F(ImportTest, WithoutTextsPassagesAreNamedByTheirIds) {
  save(folder / "x.npy", random_vectors(3));
  save(folder / "ids.npy", std::vector<std::int64_t>{70, 5, 9}, NpyType::kInt64, 3);
  options.ids = folder / "ids.npy";
  import_snapshot(options);
  const auto only = shard();
  EXPECT_EQ(std::vector<std::int64_t>(only->ids().begin(), only->ids().end()),
            (std::vector<std::int64_t>{5, 9, 70}));
  EXPECT_EQ(only->passage(2).source_id, "70");
  EXPECT_EQ(only->passage(2).text, "");
  const std::vector<float> vectors = random_vectors(3);
  EXPECT_EQ(only->vectors()[0], vectors[kDimension]) << "the vector moves with its id";
}

TEST_F(ImportTest, TextsFollowRowsOrIdsAsAskedFor) {
  save(folder / "x.npy", random_vectors(3));
  save(folder / "ids.npy", std::vector<std::int32_t>{2, 0, 1}, NpyType::kInt32, 3);
  base::write_file_atomically(folder / "t.jsonl",
                              "{\"text\":\"zero\"}\n{\"text\":\"one\"}\n{\"text\":\"two\"}\n");
  options.ids = folder / "ids.npy";
  options.passages = folder / "t.jsonl";
  import_snapshot(options);
  EXPECT_EQ(shard()->passage(0).text, "one") << "id 0 is row 1";

  options.texts_by = TextOrder::kId;
  import_snapshot(options);
  EXPECT_EQ(shard()->passage(0).text, "zero");
  EXPECT_EQ(shard()->passage(2).text, "two");
}

TEST_F(ImportTest, ARowWhoseTextIsBlankIsLeftOutAndTheOthersKeepTheirs) {
  save(folder / "x.npy", random_vectors(4));
  base::write_file_atomically(
      folder / "t.jsonl",
      "{\"text\":\"zero\"}\n{\"text\":\" \"}\n{\"text\":\"two\"}\n{\"text\":\"\"}\n");
  options.passages = folder / "t.jsonl";
  const ImportReport report = import_snapshot(options);
  EXPECT_EQ(report.blank_texts, 2);
  const auto only = shard();
  ASSERT_EQ(only->count(), 2);
  EXPECT_EQ(only->ids()[1], 2);
  EXPECT_EQ(only->passage(1).text, "two");
  EXPECT_EQ(only->vectors()[kDimension], random_vectors(4)[2 * kDimension]);
}

TEST_F(ImportTest, CountsThatDifferAreToldBoth) {
  save(folder / "x.npy", random_vectors(4));
  base::write_file_atomically(folder / "p.tsv", psgs(3));
  options.passages = folder / "p.tsv";
  EXPECT_THAT(complaint(),
              AllOf(HasSubstr("p.tsv"), HasSubstr("4 vectors"), HasSubstr("got 3 texts")));
  options.passages.clear();
  save(folder / "ids.npy", std::vector<std::int64_t>{1, 2}, NpyType::kInt64, 2);
  options.ids = folder / "ids.npy";
  EXPECT_THAT(complaint(), AllOf(HasSubstr("ids.npy"), HasSubstr("4 vectors"), HasSubstr("got 2")));
}

TEST_F(ImportTest, RefusesIdsThatComeTwiceOrAreNegative) {
  save(folder / "x.npy", random_vectors(4));
  options.ids = folder / "ids.npy";
  save(folder / "ids.npy", std::vector<std::int64_t>{9, 3, 5, 3}, NpyType::kInt64, 4);
  EXPECT_THAT(complaint(), HasSubstr("got 3 in rows 1 and 3"));
  save(folder / "ids.npy", std::vector<std::int64_t>{1, 2, 2, 3}, NpyType::kInt64, 4);
  EXPECT_THAT(complaint(), HasSubstr("got 2 in rows 1 and 2"));
  save(folder / "ids.npy", std::vector<std::int64_t>{1, -2, 4, 3}, NpyType::kInt64, 4);
  EXPECT_THAT(complaint(), HasSubstr("row 1: expected a number from 0, got -2"));
  save(folder / "ids.npy", random_vectors(4), NpyType::kFloat32, 24, 0);
  EXPECT_THAT(complaint(), HasSubstr("integers"));
}

TEST_F(ImportTest, RefusesNumbersThatAreNotFiniteByFileRowAndElement) {
  std::vector<float> vectors = random_vectors(4);
  vectors[2 * kDimension + 3] = std::numeric_limits<float>::quiet_NaN();
  save(folder / "x.npy", random_vectors(5));
  save(folder / "y.npy", vectors);
  options.vectors = {folder / "x.npy", folder / "y.npy"};
  EXPECT_THAT(complaint(), AllOf(HasSubstr("y.npy: row 2: element 3"), HasSubstr("got NaN")));
  vectors[2 * kDimension + 3] = -std::numeric_limits<float>::infinity();
  save(folder / "y.npy", vectors);
  EXPECT_THAT(complaint(), HasSubstr("got infinity"));
}

TEST_F(ImportTest, ZeroAndSubnormalVectorsAreCountedAndKeptBitForBit) {
  std::vector<float> vectors(3 * kDimension, 0.0F);
  vectors[kDimension] = std::numeric_limits<float>::denorm_min();
  vectors[kDimension + 1] = -0.0F;
  save(folder / "x.npy", vectors);
  EXPECT_EQ(import_snapshot(options).zero_vectors, 2);
  EXPECT_EQ(std::memcmp(shard()->vectors().data(), vectors.data(), vectors.size() * 4), 0);
}

TEST_F(ImportTest, DoublesNeedLeaveToBeRounded) {
  save(folder / "x.npy", std::vector<double>{1, 2, 3, 0.1}, NpyType::kFloat64, 2, 2);
  EXPECT_THAT(complaint(), AllOf(HasSubstr("x.npy: row 1"), HasSubstr("--allow-lossy")));
  options.allow_lossy = true;
  import_snapshot(options);
  EXPECT_EQ(shard()->vectors()[3], 0.1F);
  options.allow_lossy = false;
  save(folder / "x.npy", std::vector<double>{1, 2, 3, 0.5}, NpyType::kFloat64, 2, 2);
  EXPECT_EQ(import_snapshot(options).manifest.passages, 2) << "no number changes, no leave needed";
}

TEST_F(ImportTest, DropsThePhiColumnThatMadeInnerProductOutOfL2) {
  const std::vector<float> vectors = random_vectors(5, 3);
  std::vector<float> with_phi;
  for (std::size_t row = 0; row < 5; ++row) {
    double squares = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      with_phi.push_back(vectors[3 * row + i]);
      squares += std::pow(static_cast<double>(vectors[3 * row + i]), 2);
    }
    with_phi.push_back(static_cast<float>(std::sqrt(100 - squares)));
  }
  save(folder / "x.npy", with_phi, 4);
  options.drop_phi = true;
  const ImportReport report = import_snapshot(options);
  EXPECT_EQ(report.manifest.dimension, 3);
  EXPECT_EQ(report.manifest.metric, "inner_product");
  EXPECT_EQ(std::memcmp(shard()->vectors().data(), vectors.data(), vectors.size() * 4), 0);

  fs::remove_all(options.out);
  save(folder / "x.npy", vectors, 3);
  EXPECT_THAT(complaint(), HasSubstr("these have no phi column"));
  options.metric = "l2";
  EXPECT_THAT(complaint(), HasSubstr("expected inner_product"));
}

TEST_F(ImportTest, RefusesWhatIsNoArrayOfVectors) {
  save(folder / "x.npy", random_vectors(4));
  save(folder / "ids.npy", std::vector<std::int64_t>{1, 2, 2, 3}, NpyType::kInt64, 4);
  save(folder / "z.npy", random_vectors(2, 5), 5);
  options.vectors = {folder / "ids.npy"};
  EXPECT_THAT(complaint(), AllOf(HasSubstr("[rows, dimension]"), HasSubstr("[4] of <i8")));
  options.vectors = {folder / "x.npy", folder / "z.npy"};
  EXPECT_THAT(complaint(), AllOf(HasSubstr("z.npy"), HasSubstr("dimension 6"), HasSubstr("got 5")));
  options.vectors = {};
  EXPECT_THAT(complaint(), HasSubstr("got none"));
  options.vectors = {folder / "missing.npy"};
  EXPECT_THAT(complaint(), HasSubstr("missing.npy"));
  base::write_file_atomically(folder / "t.txt", "neither the one nor the other");
  options.vectors = {folder / "t.txt"};
  EXPECT_THAT(complaint(), HasSubstr("t.txt"));
  options.vectors = {folder / "t.txt", folder / "x.npy"};
  EXPECT_THAT(complaint(), HasSubstr("imported alone"));
}

TEST_F(ImportTest, RefusesAnotherEncodersDimensionAndTooManyShards) {
  save(folder / "x.npy", random_vectors(4));
  options.encoder.dimension = 768;
  EXPECT_THAT(complaint(), AllOf(HasSubstr("dimension 6"), HasSubstr("768")));
  options.encoder.dimension = 0;
  options.shards = 5;
  EXPECT_THAT(complaint(), AllOf(HasSubstr("4 passages"), HasSubstr("got 5")));
  options.shards = 1;
  options.metric = "manhattan";
  EXPECT_THAT(complaint(), HasSubstr("got 'manhattan'"));
}

TEST_F(ImportTest, ABrokenTextIsReportedBeforeAnythingIsWritten) {
  save(folder / "x.npy", random_vectors(2));
  base::write_file_atomically(folder / "t.jsonl", "{\"text\":\"zero\"}\n{\"text\":1}\n");
  options.passages = folder / "t.jsonl";
  EXPECT_THAT(complaint(), HasSubstr("t.jsonl:2"));
}

class FaissImportTest : public ImportTest {
 protected:
  FaissImportTest() { options.vectors = {folder / "x.faiss"}; }
  /// Flat, with ids where there are some.
  void write_flat(const std::vector<float>& vectors, bool l2,
                  const std::vector<std::int64_t>& ids = {}) {
    faiss_bridge().write_flat(folder / "x.faiss", {vectors, kDimension, l2}, ids);
  }
};

TEST_F(FaissImportTest, TakesVectorsMetricAndIdsOfTheFile) {
  const std::vector<float> vectors = random_vectors(30);
  std::vector<std::int64_t> ids;
  for (std::int64_t row = 0; row < 30; ++row) ids.push_back(1000 - 3 * row);
  write_flat(vectors, true, ids);
  const ImportReport report = import_snapshot(options);
  EXPECT_EQ(report.manifest.metric, "l2");
  const auto only = shard();
  for (std::size_t row = 0; row < 30; ++row) {
    ASSERT_EQ(only->ids()[row], ids[29 - row]);
    EXPECT_EQ(std::memcmp(&only->vectors()[row * kDimension], &vectors[(29 - row) * kDimension],
                          kDimension * sizeof(float)),
              0);
  }
}

TEST_F(FaissImportTest, RefusesAnotherMetricThanTheFiles) {
  write_flat(random_vectors(5), true);
  options.metric = "inner_product";
  EXPECT_THAT(complaint(), AllOf(HasSubstr("x.faiss, l2"), HasSubstr("got inner_product"),
                                 HasSubstr("--drop-phi")));
  write_flat(random_vectors(5), false);
  options.metric = "l2";
  EXPECT_THAT(complaint(), AllOf(HasSubstr("inner_product"), HasSubstr("got l2")));
  options.metric.clear();
  options.drop_phi = true;
  EXPECT_THAT(complaint(), HasSubstr("expected the metric l2 for --drop-phi"));
}

TEST_F(FaissImportTest, IdsThatNumberTextsInAnotherOrderNeedAWord) {
  write_flat(random_vectors(3), false, {2, 0, 1});
  base::write_file_atomically(folder / "t.jsonl",
                              "{\"text\":\"zero\"}\n{\"text\":\"one\"}\n{\"text\":\"two\"}\n");
  options.passages = folder / "t.jsonl";
  EXPECT_THAT(complaint(), HasSubstr("--texts-by"));
  options.texts_by = TextOrder::kId;
  import_snapshot(options);
  EXPECT_EQ(shard()->passage(2).text, "two");
  EXPECT_EQ(shard()->vectors()[0], random_vectors(3)[kDimension]) << "id 0 is row 1";
}

TEST_F(FaissImportTest, DecodedCodesNeedLeave) {
  const std::vector<float> vectors = random_vectors(600);
  const VectorsView view{vectors, kDimension, true};
  FaissBridge& bridge = faiss_bridge();
  const FaissIvfPq model = bridge.train_ivfpq(view, 4, 3, 1, 1);
  FaissIvfPq lists = bridge.encode_ivfpq(model, view, 1);
  lists.centroids = model.centroids;
  lists.codebooks = model.codebooks;
  bridge.write_ivfpq(folder / "x.faiss", view, lists);
  EXPECT_THAT(complaint(), AllOf(HasSubstr("ivfpq"), HasSubstr("--allow-lossy")));
  options.allow_lossy = true;
  const ImportReport report = import_snapshot(options);
  EXPECT_EQ(report.manifest.passages, 600);
  EXPECT_FALSE(report.loss.empty());
  // Decoded by row: near the vector of the same row, far nearer than that of another.
  const auto only = shard();
  double own = 0, other = 0;
  for (std::size_t i = 0; i < 599 * kDimension; ++i) {
    own += std::pow(static_cast<double>(only->vectors()[i] - vectors[i]), 2);
    other += std::pow(static_cast<double>(only->vectors()[i] - vectors[i + kDimension]), 2);
  }
  EXPECT_LT(own, 0.2 * other);
}

TEST_F(ImportTest, ANameIsNoEncoderForQueries) {
  save(folder / "x.npy", random_vectors(4));
  const Manifest named = import_snapshot(options).manifest;
  EXPECT_THAT(error_text([&] { check_encoder_fits(named, named.encoder); }),
              AllOf(HasSubstr("'dpr'"), HasSubstr("--encoder")));
  options.encoder = {"dpr", std::string(64, 'a'), "", kDimension, "cls", false, 256};
  const Manifest known = import_snapshot(options).manifest;
  EXPECT_EQ(error_text([&] { check_encoder_fits(known, options.encoder); }), "(no error)");
}

TEST_F(ImportTest, EqualInputsGiveEqualGenerations) {
  save(folder / "x.npy", random_vectors(4));
  const std::string first = import_snapshot(options).manifest.generation;
  EXPECT_EQ(import_snapshot(options).manifest.generation, first);
  options.encoder.name = "another";
  EXPECT_NE(import_snapshot(options).manifest.generation, first);
}

}  // namespace
}  // namespace rookery::index_tools
