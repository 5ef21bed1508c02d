#include "trainer/rank0_retriever.hpp"

#include <utility>

#include "base/error.hpp"
#include "index_tools/npy_file.hpp"
#include "trainer/bench_steps.hpp"

namespace rookery::trainer {
namespace {

// Gloo's own default, which is what a user of torch.distributed gets.
constexpr auto kGroupTimeout = std::chrono::minutes(30);

}  // namespace

Rank0Retriever::Rank0Retriever(ProcessGroup& group, std::unique_ptr<BaselineIndex> index)
    : group_(&group), index_(std::move(index)) {
  if ((group.rank() == 0) != (index_ != nullptr)) {
    throw std::invalid_argument("rank 0 and only rank 0 holds the index");
  }
}

FoundDocuments Rank0Retriever::retrieve(std::span<const float> queries, std::int32_t dimension,
                                        std::int32_t k) {
  const std::vector<float> all = group_->gather(queries);
  FoundDocuments found;
  if (index_) found = index_->find(all, k);
  const std::size_t rows = queries.size() / static_cast<std::size_t>(dimension);
  const std::size_t documents = rows * static_cast<std::size_t>(k);
  FoundDocuments mine;
  mine.ids = group_->scatter(found.ids, documents);
  mine.vectors = group_->scatter(found.vectors, documents * static_cast<std::size_t>(dimension));
  return mine;
}

int run_rank0_bench(const Rank0BenchOptions& options) {
  ProcessGroup group(RankOptions::from_environment(kGroupTimeout));
  // A rank's tensors are copied, nothing is computed with them: the cores are the search's.
  at::set_num_threads(1);
  const index_tools::NpyFile queries(options.queries);
  const auto dimension = static_cast<std::int32_t>(queries.columns());
  std::unique_ptr<BaselineIndex> index;
  if (group.rank() == 0) {
    index = std::make_unique<BaselineIndex>(options.snapshot, options.search);
    if (options.tune) {
      const auto count = static_cast<std::size_t>(options.batch * group.ranks());
      const auto width = static_cast<std::size_t>(dimension);
      std::vector<float> batch(count * width);
      for (std::size_t i = 0; i < count; ++i) {
        queries.copy_row(static_cast<std::int64_t>(i) % queries.rows(),
                         std::span(batch).subspan(i * width, width));
      }
      index->tune(batch, options.k);
    }
  }
  group.barrier();
  Rank0Retriever retriever(group, std::move(index));
  return serve_bench_steps({.queries = options.queries,
                            .rank = group.rank(),
                            .ranks = group.ranks(),
                            .batch = options.batch,
                            .k = options.k},
                           [&](std::span<const float> batch, std::int32_t k) {
                             return retriever.retrieve(batch, dimension, k);
                           });
}

}  // namespace rookery::trainer
