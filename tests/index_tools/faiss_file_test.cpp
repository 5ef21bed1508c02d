#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>

#include "base/atomic_file.hpp"
#include "index_tools/faiss/faiss_bridge.hpp"
#include "tests/support/error_text.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/temp_folder.hpp"

namespace rookery::index_tools {
namespace {

namespace fs = std::filesystem;
using rookery::testing::error_text;
using ::testing::AllOf;
using ::testing::HasSubstr;

// What tests/parity/record_faiss.py wrote with faiss-cpu 1.15.1: element j of row i.
float element(std::int64_t row, std::int32_t j) {
  const std::int64_t mixed = (row * 31 + j * 17 + row * j * 7) % 101;
  return static_cast<float>(mixed - 50) / 16.0F;
}

constexpr std::int32_t kDimension = 8;
constexpr std::int64_t kRows = 60;

std::vector<float> recorded_rows() {
  std::vector<float> vectors;
  for (std::int64_t row = 0; row < kRows; ++row) {
    for (std::int32_t j = 0; j < kDimension; ++j) vectors.push_back(element(row, j));
  }
  return vectors;
}

fs::path recorded(const std::string& name) {
  return rookery::testing::data_folder() / "faiss" / name;
}

// Thousands of damaged files need not outlive a power cut.
void write_quickly(const fs::path& path, const std::string& bytes) {
  fs::remove(path);  // a file that is cut and written anew is flushed to the disk by ext4
  std::ofstream(path, std::ios::binary) << bytes;
}

double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return INFINITY;
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    largest = std::max(largest, static_cast<double>(std::fabs(a[i] - b[i])));
  }
  return largest;
}

TEST(FaissFileTest, ReadsFlatIndexesWithAndWithoutIds) {
  for (const std::string name : {"flat_ip", "flat_l2", "id_map", "id_map2"}) {
    const FaissContents contents = faiss_bridge().read_file(recorded(name));
    EXPECT_EQ(contents.type, "flat") << name;
    EXPECT_EQ(contents.metric, name == "flat_l2" ? "l2" : "inner_product") << name;
    EXPECT_EQ(contents.dimension, kDimension);
    EXPECT_EQ(contents.count, kRows);
    EXPECT_EQ(contents.vectors, recorded_rows());
    EXPECT_TRUE(contents.vectors_are_exact);
    EXPECT_EQ(contents.ids.empty(), !name.starts_with("id_map")) << name;
    for (std::size_t row = 0; row < contents.ids.size(); ++row) {
      EXPECT_EQ(contents.ids[row], static_cast<std::int64_t>(row) * 7 + 3);
    }
  }
}

TEST(FaissFileTest, ReadsGraphsAndTheirVectors) {
  const FaissContents contents = faiss_bridge().read_file(recorded("hnsw"));
  EXPECT_EQ(contents.type, "hnsw");
  EXPECT_EQ(contents.metric, "l2");
  EXPECT_EQ(contents.vectors, recorded_rows());
  ASSERT_TRUE(contents.hnsw);
  EXPECT_EQ(contents.hnsw->m, 4);
  EXPECT_EQ(contents.hnsw->ef_construction, 40);
  EXPECT_EQ(contents.hnsw->node_levels.size(), static_cast<std::size_t>(kRows));

  const FaissContents scalar = faiss_bridge().read_file(recorded("hnsw_sq"));
  EXPECT_EQ(scalar.type, "hnsw-sq");
  EXPECT_FALSE(scalar.vectors_are_exact);
  // Values in [-3.2, 3.2] in 255 steps.
  EXPECT_LT(largest_difference(scalar.vectors, recorded_rows()), 6.4 / 255);
  EXPECT_GT(largest_difference(scalar.vectors, recorded_rows()), 0);
}

TEST(FaissFileTest, DecodesInvertedFilesAndScalarQuantisers) {
  const FaissContents flat = faiss_bridge().read_file(recorded("ivf_flat"));
  EXPECT_EQ(flat.type, "ivfflat");
  EXPECT_TRUE(flat.ids.empty());
  EXPECT_EQ(flat.vectors, recorded_rows());

  const FaissContents scalar = faiss_bridge().read_file(recorded("sq_fp16"));
  EXPECT_EQ(scalar.type, "sq");
  EXPECT_EQ(scalar.vectors, recorded_rows());  // sixteenths are exact in binary16

  const FaissContents product = faiss_bridge().read_file(recorded("ivf_pq"));
  EXPECT_EQ(product.type, "ivfpq");
  ASSERT_TRUE(product.ivfpq);
  EXPECT_EQ(product.ivfpq->nlist, 3);
  EXPECT_EQ(product.ivfpq->pq_bytes, 4);
  EXPECT_TRUE(product.ivfpq->by_residual);
  const std::string decoded = base::read_file(recorded("ivf_pq_decoded.f32"));
  std::vector<float> theirs(decoded.size() / sizeof(float));
  std::memcpy(theirs.data(), decoded.data(), decoded.size());
  EXPECT_LT(largest_difference(product.vectors, theirs), 1e-6);  // one rounded sum an element
  EXPECT_LT(largest_difference(product.vectors, recorded_rows()), 0.1);
  EXPECT_FALSE(product.vectors_are_exact);
}

TEST(FaissFileTest, OtherTypesAreRefusedByName) {
  const auto refusal = [](const fs::path& path) {
    return error_text([&] { (void)faiss_bridge().read_file(path); });
  };
  EXPECT_THAT(refusal(recorded("pca")), AllOf(HasSubstr("pca"), HasSubstr("IndexPreTransform")));
  EXPECT_THAT(refusal(recorded("absent")), HasSubstr("absent"));
  const rookery::testing::TempFolder folder;
  base::write_file_atomically(folder / "text", "no index at all");
  EXPECT_THAT(refusal(folder / "text"), HasSubstr("expected a faiss index file"));
  base::write_file_atomically(folder / "empty", "");
  EXPECT_NE(refusal(folder / "empty"), "(no error)");
}

TEST(FaissFileTest, WhatIsWrittenIsReadBack) {
  const rookery::testing::TempFolder folder;
  const std::vector<float> vectors = recorded_rows();
  std::vector<std::int64_t> ids(static_cast<std::size_t>(kRows));
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = 1000 - static_cast<std::int64_t>(i);
  for (const bool l2 : {false, true}) {
    const VectorsView rows{vectors, kDimension, l2};
    faiss_bridge().write_flat(folder / "flat", rows, {});
    faiss_bridge().write_flat(folder / "mapped", rows, ids);
    // What faiss itself writes, byte for byte.
    const fs::path theirs = recorded(l2 ? "flat_l2" : "flat_ip");
    EXPECT_EQ(base::read_file(folder / "flat"), base::read_file(theirs));
    EXPECT_EQ(faiss_bridge().read_file(folder / "mapped").ids, ids);

    const FaissHnsw graph = faiss_bridge().build_hnsw(rows, 5, 40, 1);
    faiss_bridge().write_hnsw(folder / "hnsw", rows, graph);
    const FaissContents read = faiss_bridge().read_file(folder / "hnsw");
    EXPECT_EQ(read.metric, l2 ? "l2" : "inner_product");
    EXPECT_EQ(read.vectors, vectors);
    ASSERT_TRUE(read.hnsw);
    EXPECT_EQ(read.hnsw->links, graph.links);
    EXPECT_EQ(read.hnsw->offsets, graph.offsets);
    EXPECT_EQ(read.hnsw->node_levels, graph.node_levels);
    EXPECT_EQ(read.hnsw->entry, graph.entry);
    EXPECT_EQ(read.hnsw->levels, graph.levels);
  }
  // A map of ids as theirs, byte for byte.
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::int64_t>(i) * 7 + 3;
  faiss_bridge().write_flat(folder / "mapped", {vectors, kDimension, false}, ids);
  EXPECT_EQ(base::read_file(folder / "mapped"), base::read_file(recorded("id_map2")));
  EXPECT_THROW(faiss_bridge().write_flat(folder / "flat", {vectors, kDimension, false},
                                         std::span(ids).first(3)),
               std::invalid_argument);
}

TEST(FaissFileTest, ATheirGraphFileIsWrittenBackByteForByte) {
  const rookery::testing::TempFolder folder;
  const FaissContents read = faiss_bridge().read_file(recorded("hnsw"));
  faiss_bridge().write_hnsw(folder / "hnsw", {read.vectors, kDimension, true}, *read.hnsw);
  EXPECT_EQ(base::read_file(folder / "hnsw"), base::read_file(recorded("hnsw")));
}

// Every cut and many flipped bits: a typed error or sound contents, never a crash or an allocation
// by a number of the file.
TEST(FaissFileTest, DamagedFilesAreRefusedOrReadSoundly) {
  const rookery::testing::TempFolder folder;
  std::mt19937_64 random(rookery::testing::seed());
  const fs::path path = folder / "damaged";
  for (const std::string name :
       {"flat_ip", "id_map2", "hnsw", "hnsw_sq", "ivf_flat", "ivf_pq", "sq_fp16"}) {
    const std::string bytes = base::read_file(recorded(name));
    for (std::size_t cut = 0; cut < bytes.size(); cut += 1 + bytes.size() / 150) {
      write_quickly(path, bytes.substr(0, cut));
      EXPECT_THAT(error_text([&] { (void)faiss_bridge().read_file(path); }), HasSubstr("damaged"))
          << name << " cut to " << cut;
    }
    for (int i = 0; i < 300; ++i) {
      std::string damaged = bytes;
      std::size_t at = random() % bytes.size();
      if (i % 2 == 0) at %= 400;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << random() % 8));
      write_quickly(path, damaged);
      (void)error_text([&] {
        const FaissContents contents = faiss_bridge().read_file(path);
        ASSERT_EQ(std::ssize(contents.vectors), contents.count * contents.dimension);
        ASSERT_LE(contents.count, kRows);
      });
    }
  }
}

}  // namespace
}  // namespace rookery::index_tools
