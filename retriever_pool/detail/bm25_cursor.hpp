#pragma once

#include <array>
#include <cstdint>

#include "index_tools/bm25_postings.hpp"
#include "retriever_pool/detail/bm25_kernel.hpp"

namespace rookery::retriever_pool::detail {

/// What all cursors of a shard share.
struct PostingsView {
  const std::byte* data;
  const std::uint32_t* lengths;
  double constant, per_token;
};

/// Walks one term's postings towards larger rows, a window at a time, and holds the decoded block.
class Bm25Cursor {
 public:
  /// `weight` is the term's, `repeats` how often it stands in the query.
  void open(const index_tools::Bm25Term& term, double weight, std::int64_t repeats);
  /// No share of the term is larger.
  [[nodiscard]] std::int64_t bound() const { return bound_; }

  /// Moves to the window of rows [begin, end) and bounds the shares there; 0 when there are none.
  std::int64_t window_bound(std::int64_t begin, std::int64_t end, const PostingsView& view,
                            const Bm25Kernel& kernel);
  /// About how many postings the window holds, at most.
  [[nodiscard]] std::int64_t window_postings() const { return window_postings_; }
  /// Adds the window's shares to `sums[row - begin]`.
  void add(std::int64_t begin, std::int64_t end, const PostingsView& view, const Bm25Kernel& kernel,
           std::int64_t* sums);
  /// Writes the indexes of the sums that were zero before to `listed`, too; returns how many.
  /// `listed` has room for one more than those.
  std::int32_t add_and_list(std::int64_t begin, std::int64_t end, const PostingsView& view,
                            const Bm25Kernel& kernel, std::int64_t* sums, std::int32_t* listed);
  /// Adds to the sums that are at least `limit` only.
  void add_where(std::int64_t limit, std::int64_t begin, std::int64_t end, const PostingsView& view,
                 const Bm25Kernel& kernel, std::int64_t* sums);
  /// The share of a row (rising from call to call), 0 where the term is not; -1 when the block that
  /// would hold it cannot give `needed`.
  std::int64_t share_of(std::int64_t row, std::int64_t needed, const PostingsView& view,
                        const Bm25Kernel& kernel);

 private:
  template <typename Take>
  void for_each_posting(std::int64_t begin, std::int64_t end, const PostingsView& view,
                        const Bm25Kernel& kernel, const Take& take);
  [[nodiscard]] std::int32_t row_before(std::size_t block) const {
    return block == 0 ? -1 : static_cast<std::int32_t>(term_.blocks[block - 1].last_row);
  }
  [[nodiscard]] std::int64_t share_bound(std::uint32_t ratio_max) const;
  [[nodiscard]] Bm25BlockJob job_of(std::size_t block, const PostingsView& view) const;
  /// Of the posting `at` of the decoded block.
  [[nodiscard]] std::int64_t share_at(std::int32_t at, const PostingsView& view) const;
  void decode(const PostingsView& view, const Bm25Kernel& kernel);
  void score(const PostingsView& view, const Bm25Kernel& kernel);

  index_tools::Bm25Term term_;
  double weight_ = 0;
  std::int64_t repeats_ = 1, bound_ = 0;
  std::int64_t window_postings_ = 0, window_bound_ = 0;
  std::uint32_t window_ratio_ = 0;        // what window_bound_ was computed of
  std::size_t block_ = 0;                 // the first that reaches the window
  std::size_t decoded_ = 0, scored_ = 0;  // one more than the block whose rows and shares are here
  std::size_t bounded_ = 0;               // one more than the block of `block_bound_`
  std::int64_t block_bound_ = 0;
  std::int32_t at_ = 0, count_ = 0;  // in the decoded block
  alignas(64) std::array<std::int32_t, kBm25Padded> rows_;
  alignas(64) std::array<std::int64_t, kBm25Padded> shares_;
};

}  // namespace rookery::retriever_pool::detail
