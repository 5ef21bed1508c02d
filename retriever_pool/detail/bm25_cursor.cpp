#include "retriever_pool/detail/bm25_cursor.hpp"

#include <algorithm>

namespace rookery::retriever_pool::detail {

using index_tools::Bm25Block;
using index_tools::kBm25BlockPostings;

void Bm25Cursor::open(const index_tools::Bm25Term& term, double weight, std::int64_t repeats) {
  term_ = term;
  weight_ = weight;
  repeats_ = repeats;
  bound_ = index_tools::bm25_share(weight_, term.ratio_bound) * repeats_;
  window_postings_ = window_bound_ = 0;
  window_ratio_ = 0xFFFFFFFF;
  block_ = decoded_ = scored_ = bounded_ = 0;
  at_ = count_ = 0;
}

std::int64_t Bm25Cursor::share_bound(std::uint32_t ratio_max) const {
  return index_tools::bm25_share(weight_, (ratio_max + 1) / 65536.0) * repeats_;
}

Bm25BlockJob Bm25Cursor::job_of(std::size_t block, const PostingsView& view) const {
  const Bm25Block& packed = term_.blocks[block];
  const auto count = static_cast<std::int32_t>(std::min<std::int64_t>(
      kBm25BlockPostings, term_.count - static_cast<std::int64_t>(block) * kBm25BlockPostings));
  const auto* rows = reinterpret_cast<const unsigned char*>(view.data + packed.offset);
  return {rows,
          rows + index_tools::bm25_packed_bytes(count, packed.row_bits),
          packed.row_bits,
          packed.frequency_bits,
          count,
          row_before(block),
          view.lengths,
          view.constant,
          view.per_token,
          weight_,
          repeats_};
}

void Bm25Cursor::decode(const PostingsView& view, const Bm25Kernel& kernel) {
  if (decoded_ == block_ + 1) return;
  const Bm25BlockJob job = job_of(block_, view);
  kernel.decode_rows(job, rows_.data());
  decoded_ = block_ + 1;
  count_ = job.count;
  at_ = 0;
}

void Bm25Cursor::score(const PostingsView& view, const Bm25Kernel& kernel) {
  decode(view, kernel);
  if (scored_ == decoded_) return;
  kernel.score_rows(job_of(block_, view), rows_.data(), shares_.data());
  scored_ = decoded_;
}

std::int64_t Bm25Cursor::window_bound(std::int64_t begin, std::int64_t end,
                                      const PostingsView& view, const Bm25Kernel& kernel) {
  const auto blocks = term_.blocks;
  while (block_ < blocks.size() && blocks[block_].last_row < begin) ++block_;
  window_postings_ = 0;
  if (block_ == blocks.size() || std::int64_t{row_before(block_)} + 1 >= end) return 0;
  // A block that reaches over the whole window may well have nothing in it.
  if (blocks[block_].last_row >= end) {
    decode(view, kernel);
    while (rows_[static_cast<std::size_t>(at_)] < begin) ++at_;
    if (rows_[static_cast<std::size_t>(at_)] >= end) return 0;
  }
  std::uint32_t ratio = 0;
  for (std::size_t b = block_; b < blocks.size() && std::int64_t{row_before(b)} + 1 < end; ++b) {
    ratio = std::max<std::uint32_t>(ratio, blocks[b].ratio_max);
    // The share of its rows that lie in the window, as if they lay evenly.
    const std::int64_t first = std::int64_t{row_before(b)} + 1;
    const std::int64_t last = blocks[b].last_row;
    const std::int64_t inside = std::min(last + 1, end) - std::max(first, begin);
    window_postings_ += inside == last + 1 - first
                            ? kBm25BlockPostings
                            : 1 + kBm25BlockPostings * inside / (last + 1 - first);
  }
  if (ratio != window_ratio_) {
    window_ratio_ = ratio;
    window_bound_ = share_bound(ratio);
  }
  return window_bound_;
}

// Gives `take` the index in the window and the share of each posting there.
template <typename Take>
void Bm25Cursor::for_each_posting(std::int64_t begin, std::int64_t end, const PostingsView& view,
                                  const Bm25Kernel& kernel, const Take& take) {
  if (window_postings_ == 0) return;
  const auto first = static_cast<std::int32_t>(begin);
  const auto stop = static_cast<std::int32_t>(end);
  for (; block_ < term_.blocks.size() && row_before(block_) + 1 < stop; ++block_) {
    score(view, kernel);
    const std::int32_t* rows = rows_.data();
    const std::int64_t* shares = shares_.data();
    std::int32_t at = at_;
    while (at < count_ && rows[at] < first) ++at;
    if (static_cast<std::int32_t>(term_.blocks[block_].last_row) < stop) {
      for (; at < count_; ++at) take(rows[at] - first, shares[at]);
      at_ = at;
    } else {
      for (; rows[at] < stop; ++at) take(rows[at] - first, shares[at]);
      at_ = at;
      return;
    }
  }
}

void Bm25Cursor::add(std::int64_t begin, std::int64_t end, const PostingsView& view,
                     const Bm25Kernel& kernel, std::int64_t* sums) {
  for_each_posting(begin, end, view, kernel,
                   [&](std::int32_t at, std::int64_t share) { sums[at] += share; });
}

std::int32_t Bm25Cursor::add_and_list(std::int64_t begin, std::int64_t end,
                                      const PostingsView& view, const Bm25Kernel& kernel,
                                      std::int64_t* sums, std::int32_t* listed) {
  std::int32_t count = 0;
  for_each_posting(begin, end, view, kernel, [&](std::int32_t at, std::int64_t share) {
    const std::int64_t before = sums[at];
    listed[count] = at;
    count += before == 0 ? 1 : 0;
    sums[at] = before + share;
  });
  return count;
}

std::int64_t Bm25Cursor::share_at(std::int32_t at, const PostingsView& view) const {
  if (scored_ == decoded_) return shares_[static_cast<std::size_t>(at)];
  const Bm25BlockJob job = job_of(block_, view);
  const std::uint32_t frequency =
      1 + index_tools::bm25_packed_value(reinterpret_cast<const std::byte*>(job.frequencies),
                                         job.frequency_bits, at);
  const index_tools::Bm25Formula formula{view.constant, view.per_token};
  const std::int32_t row = rows_[static_cast<std::size_t>(at)];
  return index_tools::bm25_share(weight_, formula.ratio(frequency, view.lengths[row])) * repeats_;
}

void Bm25Cursor::add_where(std::int64_t limit, std::int64_t begin, std::int64_t end,
                           const PostingsView& view, const Bm25Kernel& kernel, std::int64_t* sums) {
  if (window_postings_ == 0) return;
  const auto first = static_cast<std::int32_t>(begin);
  const auto stop = static_cast<std::int32_t>(end);
  std::array<std::int32_t, kBm25BlockRows + 1> wanted;
  for (; block_ < term_.blocks.size() && row_before(block_) + 1 < stop; ++block_) {
    decode(view, kernel);
    const std::int32_t* rows = rows_.data();
    std::int32_t at = at_;
    while (at < count_ && rows[at] < first) ++at;
    const bool whole = static_cast<std::int32_t>(term_.blocks[block_].last_row) < stop;
    std::size_t count = 0;
    // Few of the rows are wanted, so their shares are worth computing alone.
    for (; at < count_ && (whole || rows[at] < stop); ++at) {
      wanted[count] = at;
      count += sums[rows[at] - first] >= limit ? 1 : 0;
    }
    for (std::size_t n = 0; n < count; ++n) {
      sums[rows[wanted[n]] - first] += share_at(wanted[n], view);
    }
    at_ = at;
    if (!whole) return;
  }
}

std::int64_t Bm25Cursor::share_of(std::int64_t row, std::int64_t needed, const PostingsView& view,
                                  const Bm25Kernel& kernel) {
  const auto blocks = term_.blocks;
  while (block_ < blocks.size() && blocks[block_].last_row < row) ++block_;
  if (block_ == blocks.size() || row_before(block_) >= row) return needed > 0 ? -1 : 0;
  const Bm25Block& block = blocks[block_];
  if (bounded_ != block_ + 1) {
    bounded_ = block_ + 1;
    block_bound_ = share_bound(block.ratio_max);
  }
  if (block_bound_ < needed) return -1;
  decode(view, kernel);
  const std::int32_t* rows = rows_.data();
  // Halving without branches: which way to go cannot be foretold.
  const auto wanted = static_cast<std::int32_t>(row);
  const std::int32_t* first = rows + at_;
  for (std::int32_t left = count_ - at_; left > 1;) {
    const std::int32_t half = left / 2;
    first += first[half - 1] < wanted ? half : 0;
    left -= half;
  }
  at_ = static_cast<std::int32_t>(first - rows);
  if (*first != wanted) return 0;
  return share_at(at_, view);
}

}  // namespace rookery::retriever_pool::detail
