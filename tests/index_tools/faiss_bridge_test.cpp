#include "index_tools/faiss/faiss_bridge.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <random>
#include <stdexcept>

#include "base/atomic_file.hpp"
#include "index_tools/faiss/detail/faiss_loader.hpp"
#include "tests/support/error_text.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/temp_folder.hpp"

namespace rookery::index_tools {
namespace {

using rookery::testing::error_text;
using ::testing::AllOf;
using ::testing::HasSubstr;

std::vector<float> random_vectors(std::uint64_t salt, std::int64_t rows, std::int32_t dimension) {
  std::mt19937_64 random(rookery::testing::seed() + salt);
  std::normal_distribution<float> normal;
  std::vector<float> vectors(static_cast<std::size_t>(rows * dimension));
  for (float& value : vectors) value = normal(random);
  return vectors;
}

TEST(FaissBridgeTest, TheLibraryExportsItsFactoryAndNothingElse) {
  const std::string library = detail::faiss_library_path().string();
  std::FILE* pipe = popen(("nm -D --defined-only '" + library + "'").c_str(), "r");
  ASSERT_NE(pipe, nullptr);
  std::string names;
  std::array<char, 4096> block{};
  for (std::size_t read = 1; read > 0;) {
    read = std::fread(block.data(), 1, block.size(), pipe);
    names.append(block.data(), read);
  }
  ASSERT_EQ(pclose(pipe), 0);
  EXPECT_EQ(std::count(names.begin(), names.end(), '\n'), 1) << names.substr(0, 2000);
  EXPECT_THAT(names.substr(0, 2000), HasSubstr(" T rookery_faiss_bridge\n"));
}

TEST(FaissBridgeTest, RefusesByNameWithoutAvx2OrWithoutASoundLibrary) {
  const rookery::testing::TempFolder folder;
  EXPECT_THAT(error_text([] { detail::load_faiss_bridge(detail::faiss_library_path(), false); }),
              AllOf(HasSubstr("hnsw and ivfpq"), HasSubstr("AVX2")));
  EXPECT_THAT(error_text([&] { detail::load_faiss_bridge(folder / "absent.so", true); }),
              AllOf(HasSubstr("absent.so"), HasSubstr("not there")));
  base::write_file_atomically(folder / "text.so", "no library");
  EXPECT_THAT(error_text([&] { detail::load_faiss_bridge(folder / "text.so", true); }),
              AllOf(HasSubstr("text.so"), HasSubstr("expected a library that loads")));
}

TEST(FaissBridgeTest, ItsRefusalsAreOurs) {
  const auto vectors = random_vectors(1, 10, 4);
  const VectorsView rows{vectors, 4, false};
  EXPECT_THROW(faiss_bridge().build_hnsw(rows, 1, 40, 1), std::invalid_argument);
  EXPECT_THROW(faiss_bridge().build_hnsw(rows, 16, 40, 0), std::invalid_argument);
  EXPECT_THROW(faiss_bridge().build_hnsw({vectors, 7, false}, 16, 40, 1), std::invalid_argument);
}

TEST(FaissBridgeTest, BuildsAGraphInWhichEveryLinkLeadsToARow) {
  const auto vectors = random_vectors(2, 500, 16);
  const FaissHnsw graph = faiss_bridge().build_hnsw({vectors, 16, false}, 8, 40, 2);
  ASSERT_EQ(graph.node_levels.size(), 500U);
  ASSERT_EQ(graph.offsets.size(), 501U);
  EXPECT_EQ(graph.links.size(), static_cast<std::size_t>(graph.offsets.back()));
  EXPECT_EQ(graph.levels, *std::max_element(graph.node_levels.begin(), graph.node_levels.end()));
  for (const std::int32_t link : graph.links) {
    EXPECT_GE(link, -1);
    EXPECT_LT(link, 500);
  }
  for (std::size_t row = 0; row < 500; ++row) {
    EXPECT_NE(graph.links[static_cast<std::size_t>(graph.offsets[row])], -1) << row;
    EXPECT_EQ(graph.offsets[row + 1] - graph.offsets[row], 8 * (graph.node_levels[row] + 1));
  }
}

}  // namespace
}  // namespace rookery::index_tools
