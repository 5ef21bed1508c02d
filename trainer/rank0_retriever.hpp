#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "trainer/baseline_index.hpp"
#include "trainer/process_group.hpp"

namespace rookery::trainer {

/// The design that the pool replaces, kept as a baseline: rank 0 gathers every rank's queries,
/// searches them alone and scatters ids and vectors; all ranks wait (specs/hf-rag.md 3.2, written
/// anew from that description). A call is collective: every rank makes it, with equally many
/// queries.
class Rank0Retriever {
 public:
  /// `group` outlives this object. `index` is rank 0's alone; other ranks pass none.
  Rank0Retriever(ProcessGroup& group, std::unique_ptr<BaselineIndex> index);
  /// Throws `RankLost` when another rank dies.
  [[nodiscard]] FoundDocuments retrieve(std::span<const float> queries, std::int32_t dimension,
                                        std::int32_t k);

 private:
  ProcessGroup* group_;
  std::unique_ptr<BaselineIndex> index_;
};

/// What a rank of `rookery bench blog` needs to know.
struct Rank0BenchOptions {
  std::filesystem::path snapshot, queries;
  BaselineSearch search;
  bool tune = false;  ///< look for the quickest setting first
  std::int32_t batch = 8, k = 5;
};
/// Runs this process as one rank until standard input ends (`serve_bench_steps`). RANK, WORLD_SIZE,
/// MASTER_ADDR and MASTER_PORT as from torchrun. Returns the exit code.
int run_rank0_bench(const Rank0BenchOptions& options);

}  // namespace rookery::trainer
