#include "trainer/rank0_retriever.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "base/free_port.hpp"
#include "index_tools/snapshot_writer.hpp"
#include "tests/support/temp_folder.hpp"

namespace rookery::trainer {
namespace {

/// Passage i is the i-th unit vector.
std::filesystem::path unit_snapshot(const rookery::testing::TempFolder& folder,
                                    std::int32_t width) {
  index_tools::Manifest facts;
  facts.build_key = "k";
  facts.dimension = width;
  facts.encoder.dimension = width;
  index_tools::SnapshotWriter writer(folder / "s", folder / "work", facts, {});
  for (std::int32_t row = 0; row < width; ++row) {
    std::vector<float> vector(static_cast<std::size_t>(width));
    vector[static_cast<std::size_t>(row)] = 1;
    writer.add({row, std::to_string(row), "", "t"}, vector);
  }
  writer.commit();
  return folder / "s";
}

TEST(Rank0Retriever, GivesEveryRankTheDocumentsOfItsOwnQueries) {
  constexpr std::int32_t kWidth = 12;
  const rookery::testing::TempFolder folder;
  const auto snapshot = unit_snapshot(folder, kWidth);
  for (const std::int32_t ranks : {1, 3}) {
    const std::uint16_t port = base::free_port();
    std::vector<FoundDocuments> found(static_cast<std::size_t>(ranks));
    std::vector<std::thread> threads;
    for (std::int32_t rank = 0; rank < ranks; ++rank) {
      threads.emplace_back([&, rank] {
        ProcessGroup group({.rank = rank,
                            .ranks = ranks,
                            .master_port = port,
                            .timeout = std::chrono::seconds(20)});
        Rank0Retriever retriever(
            group,
            rank == 0 ? std::make_unique<BaselineIndex>(snapshot, BaselineSearch{}) : nullptr);
        // Two queries a rank: for the documents 2 rank and 2 rank + 1, then the one after each.
        std::vector<float> queries(2 * kWidth);
        for (std::int32_t q = 0; q < 2; ++q) {
          queries[static_cast<std::size_t>(q * kWidth + 2 * rank + q)] = 2;
          queries[static_cast<std::size_t>(q * kWidth + 2 * rank + q + 1)] = 1;
        }
        found[static_cast<std::size_t>(rank)] = retriever.retrieve(queries, kWidth, 2);
      });
    }
    for (auto& thread : threads) thread.join();
    for (std::int32_t rank = 0; rank < ranks; ++rank) {
      const FoundDocuments& mine = found[static_cast<std::size_t>(rank)];
      const std::int64_t first = 2 * rank;
      EXPECT_EQ(mine.ids, (std::vector<std::int64_t>{first, first + 1, first + 1, first + 2}));
      ASSERT_EQ(mine.vectors.size(), 4u * kWidth);
      for (std::size_t i = 0; i < 4; ++i) {
        EXPECT_EQ(mine.vectors[i * kWidth + static_cast<std::size_t>(mine.ids[i])], 1) << rank;
      }
    }
  }
}

TEST(Rank0Retriever, WantsTheIndexAtRankZero) {
  ProcessGroup group({});
  EXPECT_THROW(Rank0Retriever(group, nullptr), std::invalid_argument);
}

}  // namespace
}  // namespace rookery::trainer
