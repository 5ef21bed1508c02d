#include "index_tools/hnsw_graph.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <random>
#include <vector>

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

constexpr std::int32_t kDimension = 12;

// Vectors in memory, as float32 or float16.
class VectorShard final : public SnapshotShard {
 public:
  VectorShard(std::int64_t rows, bool half) : half_(half) {
    std::mt19937_64 random(rookery::testing::seed());
    std::normal_distribution<float> normal;
    for (std::int64_t i = 0; i < rows; ++i) ids_.push_back(i);
    for (std::int64_t i = 0; i < rows * kDimension; ++i) {
      halves_.push_back(to_half(normal(random)));
      vectors_.push_back(from_half(halves_.back()));
    }
  }
  [[nodiscard]] std::int32_t shard() const override { return 0; }
  [[nodiscard]] std::int64_t count() const override { return std::ssize(ids_); }
  [[nodiscard]] std::int32_t dimension() const override { return kDimension; }
  [[nodiscard]] std::span<const std::int64_t> ids() const override { return ids_; }
  [[nodiscard]] VectorType vector_type() const override {
    return half_ ? VectorType::kFloat16 : VectorType::kFloat32;
  }
  [[nodiscard]] std::span<const float> vectors() const override {
    return half_ ? std::span<const float>() : vectors_;
  }
  [[nodiscard]] std::span<const std::uint16_t> half_vectors() const override {
    return half_ ? halves_ : std::span<const std::uint16_t>();
  }
  [[nodiscard]] PassageView passage(std::int64_t /*row*/) const override { return {}; }
  [[nodiscard]] std::optional<std::int64_t> row_of(std::int64_t id) const override { return id; }

 private:
  bool half_;
  std::vector<std::int64_t> ids_;
  std::vector<float> vectors_;
  std::vector<std::uint16_t> halves_;
};

HnswParameters serial_parameters() {
  HnswParameters parameters;
  parameters.m = 8;
  parameters.ef_construction = 40;
  parameters.ef_search = 33;
  parameters.serial = true;
  return parameters;
}

std::string graph_file(const SnapshotShard& shard, const HnswParameters& parameters,
                       const std::string& metric = "l2") {
  const rookery::testing::TempFolder folder;
  detail::GenerationFile file(folder.path(), "hnsw");
  write_hnsw_graph(shard, metric, parameters, 2, file);
  file.finish();
  return base::read_file(folder / "hnsw");
}

HnswGraph open(const std::string& bytes, std::int64_t count) {
  return HnswGraph::open(std::as_bytes(std::span(bytes)), count, "wiki/0/shard-0/hnsw");
}

std::string refusal(const std::string& bytes, std::int64_t count) {
  return error_text([&] { (void)open(bytes, count); });
}

template <typename T>
std::string changed(std::string bytes, std::size_t offset, T value) {
  std::memcpy(bytes.data() + offset, &value, sizeof value);
  return bytes;
}

TEST(HnswGraphTest, ReadsBackWhatWasBuilt) {
  const VectorShard shard(600, false);
  const std::string bytes = graph_file(shard, serial_parameters());
  const HnswGraph graph = open(bytes, 600);
  EXPECT_EQ(graph.count, 600);
  EXPECT_EQ(graph.m, 8);
  EXPECT_GE(graph.levels, 2);
  EXPECT_EQ(graph.parameters, serial_parameters());
  EXPECT_EQ(graph.links(graph.entry, graph.levels - 1).size(), 8U);
  EXPECT_TRUE(graph.links(graph.entry, graph.levels).empty());
  // About one node in m reaches level 1; nodes of level 0 have no upper links.
  EXPECT_GT(graph.upper_nodes.size(), 600U / 8 / 2);
  EXPECT_LT(graph.upper_nodes.size(), 600U / 8 * 2);
  std::int32_t lowest = 0;
  while (std::binary_search(graph.upper_nodes.begin(), graph.upper_nodes.end(), lowest)) ++lowest;
  EXPECT_TRUE(graph.links(lowest, 1).empty());
  // Every node is reached from every other on level 0 in data as plain as this.
  std::vector<std::int32_t> reached{graph.entry};
  std::vector<bool> seen(600);
  seen[static_cast<std::size_t>(graph.entry)] = true;
  for (std::size_t i = 0; i < reached.size(); ++i) {
    for (const std::int32_t link : graph.links(reached[i], 0)) {
      if (link < 0 || seen[static_cast<std::size_t>(link)]) continue;
      seen[static_cast<std::size_t>(link)] = true;
      reached.push_back(link);
    }
  }
  EXPECT_GT(reached.size(), 590U);
}

TEST(HnswGraphTest, FaisssArraysHoldTheSameLinks) {
  const VectorShard shard(300, false);
  const std::string bytes = graph_file(shard, serial_parameters());
  const FaissHnsw theirs = to_faiss(open(bytes, 300));
  const FaissHnsw built = faiss_bridge().build_hnsw({shard.vectors(), kDimension, true}, 8, 40, 1);
  EXPECT_EQ(theirs.links, built.links);
  EXPECT_EQ(theirs.offsets, built.offsets);
  EXPECT_EQ(theirs.node_levels, built.node_levels);
  EXPECT_EQ(theirs.levels, built.levels);
  EXPECT_EQ(theirs.entry, built.entry);
}

TEST(HnswGraphTest, ASerialBuildGivesTheSameBytesEveryTime) {
  const VectorShard shard(800, false);
  const std::string first = graph_file(shard, serial_parameters());
  for (int i = 0; i < 3; ++i) EXPECT_EQ(graph_file(shard, serial_parameters()), first);
}

TEST(HnswGraphTest, Float16VectorsGiveTheGraphOfTheirValues) {
  EXPECT_EQ(graph_file(VectorShard(300, true), serial_parameters()),
            graph_file(VectorShard(300, false), serial_parameters()));
}

TEST(HnswGraphTest, TheMetricMattersAndCosineIsTheInnerProduct) {
  const VectorShard shard(300, false);
  const std::string product = graph_file(shard, serial_parameters(), "inner_product");
  EXPECT_EQ(graph_file(shard, serial_parameters(), "cosine"), product);
  EXPECT_NE(graph_file(shard, serial_parameters(), "l2"), product);
}

TEST(HnswGraphTest, TinyShardsHaveGraphs) {
  for (const std::int64_t rows : {0, 1, 2, 3}) {
    const HnswGraph graph = open(graph_file(VectorShard(rows, false), serial_parameters()), rows);
    EXPECT_EQ(graph.count, rows);
    EXPECT_EQ(graph.base.size(), static_cast<std::size_t>(rows) * 16);
  }
}

TEST(HnswGraphTest, AFileOfAnotherShapeIsRefusedBeforeItIsUsed) {
  const std::string bytes = graph_file(VectorShard(200, false), serial_parameters());
  EXPECT_THAT(refusal(bytes, 201), AllOf(HasSubstr("wiki/0/shard-0/hnsw"), HasSubstr("201 rows"),
                                         HasSubstr("got one of 200"), HasSubstr("build")));
  EXPECT_THAT(refusal("", 200), HasSubstr("at least 64 bytes"));
  EXPECT_THAT(refusal(changed(bytes, 0, 'X'), 200), HasSubstr("another beginning"));
  EXPECT_THAT(refusal(bytes.substr(0, bytes.size() - 4), 200), HasSubstr("expected a file of"));
  EXPECT_THAT(refusal(bytes + "1234", 200), HasSubstr("expected a file of"));
  constexpr std::size_t kUpperCount = 16, kM = 32, kLevels = 36, kEntry = 40, kEfSearch = 48;
  EXPECT_THAT(refusal(changed(bytes, kM, std::int32_t{1} << 30), 200), HasSubstr("m in [2, 512]"));
  EXPECT_THAT(refusal(changed(bytes, kLevels, 65), 200), HasSubstr("1 to 64 levels"));
  EXPECT_THAT(refusal(changed(bytes, kEfSearch, 0), 200), HasSubstr("ef_search in"));
  EXPECT_THAT(refusal(changed(bytes, kUpperCount, std::int64_t{1} << 62), 200),
              HasSubstr("at most 200 nodes above level 0"));
  EXPECT_THAT(refusal(changed(bytes, kEntry, 200), 200), HasSubstr("entry node"));
  EXPECT_THAT(refusal(changed(bytes, kEntry, -2), 200), HasSubstr("entry node"));
}

TEST(HnswGraphTest, LinksThatLeadNowhereAreRefused) {
  const std::string bytes = graph_file(VectorShard(200, false), serial_parameters());
  const HnswGraph graph = open(bytes, 200);
  const auto offset_of = [&](const auto& values, std::size_t at) {
    return static_cast<std::size_t>(reinterpret_cast<const char*>(values.data() + at) -
                                    bytes.data());
  };
  const std::size_t base = offset_of(graph.base, 0);
  for (const std::int32_t wrong : {200, 1 << 30, -2, INT32_MIN}) {
    EXPECT_THAT(refusal(changed(bytes, base, wrong), 200), HasSubstr("links of node 0 on level 0"));
    EXPECT_THAT(refusal(changed(bytes, offset_of(graph.upper_links, 0), wrong), 200),
                HasSubstr("on level 1"));
    EXPECT_THAT(refusal(changed(bytes, offset_of(graph.upper_nodes, 1), wrong), 200),
                HasSubstr("rising nodes"));
    EXPECT_NE(refusal(changed(bytes, offset_of(graph.upper_begins, 1), std::int64_t{wrong}), 200),
              "(no error)");
  }
  EXPECT_NE(refusal(changed(bytes, offset_of(graph.upper_begins, 0), std::int64_t{8}), 200),
            "(no error)");
  EXPECT_NE(refusal(changed(bytes, offset_of(graph.upper_begins, 1), INT64_MIN), 200),
            "(no error)");
  // A hole in a list, and a link above level 0 to a node that is not there.
  EXPECT_THAT(refusal(changed(bytes, base, -1), 200), HasSubstr("then -1"));
  std::int32_t low = 0;
  while (std::binary_search(graph.upper_nodes.begin(), graph.upper_nodes.end(), low)) ++low;
  EXPECT_THAT(refusal(changed(bytes, offset_of(graph.upper_links, 0), low), 200),
              HasSubstr("nodes of that level"));
}

TEST(HnswGraphTest, AnyFlippedBitIsRefusedOrLeavesAGraphThatCanBeRead) {
  const std::string bytes = graph_file(VectorShard(60, false), serial_parameters());
  std::mt19937_64 random(rookery::testing::seed());
  for (int i = 0; i < 4000; ++i) {
    std::string damaged = bytes;
    // Half of the flips meet the head and the tail, where the sizes are.
    std::size_t at = random() % bytes.size();
    if (i % 2 == 0) at = at % 2 == 0 ? at % 64 : bytes.size() - 1 - at % 600;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << random() % 8));
    std::int64_t sum = 0;
    (void)error_text([&] {
      const HnswGraph graph = open(damaged, 60);
      for (std::int32_t level = 0; level < graph.levels; ++level) {
        for (std::int32_t node = 0; node < 60; ++node) {
          for (const std::int32_t link : graph.links(node, level)) {
            ASSERT_LT(link, 60);
            sum += link;
          }
        }
      }
    });
    EXPECT_LT(sum, 60 * 60 * 64 * 16);
  }
}

}  // namespace
}  // namespace rookery::index_tools
