#include "retriever_pool/detail/bm25_scan.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "retriever_pool/detail/bm25_cursor.hpp"
#include "retriever_pool/detail/bm25_kernel.hpp"
#include "retriever_pool/detail/bm25_top.hpp"
#include "text/english_analyzer.hpp"

namespace rookery::retriever_pool::detail {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::int32_t kWindowRows = 2048;  // sums of 16 KiB: they stay in the first cache
constexpr std::int32_t kSparseRows = 128;   // fewer postings than this are marked one by one
constexpr std::int32_t kDeadlineWindows = 16;

const Bm25Kernel& kernel_of(InstructionSet set) {
  switch (set) {
    case InstructionSet::kAvx512:
      return bm25_kernel_avx512();
    case InstructionSet::kAvx2:
      return bm25_kernel_avx2();
    case InstructionSet::kPlain:
      break;
  }
  return bm25_kernel_plain();
}

}  // namespace

struct Bm25Scan::Impl {
  const index_tools::Bm25Postings& postings;
  const Bm25Kernel& kernel;
  const index_tools::Bm25Formula formula;
  const PostingsView view;
  text::EnglishAnalyzer analyzer;
  std::vector<std::string_view> terms;
  std::vector<std::unique_ptr<Bm25Cursor>> cursors;  // more than a query needs are kept
  std::vector<Bm25Cursor*> active;                   // by rising bound
  std::vector<std::int64_t> bounds_upto;             // of a window: sum of the first n bounds
  Bm25Top top;
  alignas(64) std::array<std::int64_t, kWindowRows> sums{};  // all zero between windows
  std::array<std::uint64_t, kWindowRows / 64> marks{};
  std::array<std::int32_t, kWindowRows + 8> candidates{};

  Impl(const index_tools::Bm25Postings& all, InstructionSet instructions)
      : postings(all),
        kernel(kernel_of(instructions)),
        formula(all.formula()),
        view{all.data(), all.lengths().data(), formula.constant, formula.per_token} {}

  void open_cursors(std::string_view query) {
    const auto analysed = analyzer.analyse(query);
    terms.assign(analysed.begin(), analysed.end());
    std::sort(terms.begin(), terms.end());
    active.clear();
    for (std::size_t begin = 0; begin < terms.size();) {
      std::size_t end = begin + 1;
      while (end < terms.size() && terms[end] == terms[begin]) ++end;
      const auto found = postings.find(terms[begin]);
      if (found && found->count > 0) {
        if (cursors.size() == active.size()) cursors.push_back(std::make_unique<Bm25Cursor>());
        Bm25Cursor& cursor = *cursors[active.size()];
        cursor.open(*found, index_tools::bm25_weight(postings.corpus_documents(), found->documents),
                    static_cast<std::int64_t>(end - begin));
        active.push_back(&cursor);
      }
      begin = end;
    }
    std::sort(active.begin(), active.end(),
              [](const Bm25Cursor* a, const Bm25Cursor* b) { return a->bound() < b->bound(); });
    bounds_upto.assign(active.size() + 1, 0);
  }

  // The sums of the first n bounds of this window.
  void bound_window(std::int64_t begin, std::int64_t end) {
    for (std::size_t t = 0; t < active.size(); ++t) {
      bounds_upto[t + 1] = bounds_upto[t] + active[t]->window_bound(begin, end, view, kernel);
    }
  }

  // Rows whose sum of the essential terms' shares may be enough, rising.
  std::int32_t gather(std::size_t essential, std::int64_t begin, std::int64_t end) {
    std::int64_t expected = 0;
    for (std::size_t t = essential; t < active.size(); ++t) {
      expected += active[t]->window_postings();
    }
    const std::int64_t limit = top.needed() - bounds_upto[essential];
    if (expected > kSparseRows) {
      for (std::size_t t = essential; t < active.size(); ++t) {
        active[t]->add(begin, end, view, kernel, sums.data(), nullptr);
      }
      return kernel.collect(sums.data(), kWindowRows, limit, candidates.data());
    }
    for (std::size_t t = essential; t < active.size(); ++t) {
      active[t]->add(begin, end, view, kernel, sums.data(), marks.data());
    }
    std::int32_t found = 0;
    for (std::size_t w = 0; w < marks.size(); ++w) {
      for (std::uint64_t bits = marks[w]; bits != 0; bits &= bits - 1) {
        const auto at = static_cast<std::int32_t>(w * 64) + std::countr_zero(bits);
        if (sums[static_cast<std::size_t>(at)] >= limit) {
          candidates[static_cast<std::size_t>(found++)] = at;
        } else {
          sums[static_cast<std::size_t>(at)] = 0;
        }
      }
      marks[w] = 0;
    }
    sparse = true;
    return found;
  }
  bool sparse = false;  // only the candidates' sums are not zero

  void score(std::int64_t row, std::int64_t sum, std::size_t essential) {
    for (std::size_t t = essential; t-- > 0;) {
      if (sum + bounds_upto[t + 1] < top.needed()) return;
      const auto share =
          active[t]->share_of(row, top.needed() - sum - bounds_upto[t], view, kernel);
      if (share < 0) return;
      sum += share;
    }
    if (sum >= top.needed()) top.add(row, sum);
  }

  void search_window(std::int64_t begin, std::int64_t end, const RowSet* rows) {
    bound_window(begin, end);
    if (bounds_upto.back() < top.needed()) return;
    std::size_t essential = 0;
    while (bounds_upto[essential + 1] < top.needed()) ++essential;
    sparse = false;
    const std::int32_t found = gather(essential, begin, end);
    for (std::int32_t c = 0; c < found; ++c) {
      const std::int32_t at = candidates[static_cast<std::size_t>(c)];
      std::int64_t& sum = sums[static_cast<std::size_t>(at)];
      if (rows == nullptr || rows->contains(begin + at)) score(begin + at, sum, essential);
      if (sparse) sum = 0;
    }
    if (!sparse) sums.fill(0);
  }
};

Bm25Scan::Bm25Scan(const index_tools::Bm25Postings& postings, InstructionSet instructions)
    : impl_(std::make_unique<Impl>(postings, instructions)) {}
Bm25Scan::~Bm25Scan() = default;

bool Bm25Scan::search(const Bm25Query& query, std::vector<Bm25Hit>& hits) {
  Impl& impl = *impl_;
  hits.clear();
  impl.open_cursors(query.text);
  impl.top.reset(query.k);
  const std::int64_t count = impl.postings.count();
  std::int32_t windows = 0;
  for (std::int64_t begin = 0; begin < count && !impl.active.empty(); begin += kWindowRows) {
    if (query.deadline != Clock::time_point::max() && windows++ % kDeadlineWindows == 0 &&
        Clock::now() >= query.deadline) {
      return false;
    }
    const std::int64_t end = std::min(begin + kWindowRows, count);
    if (query.rows != nullptr) {
      const std::uint64_t* words = query.rows->words();
      if (std::all_of(words + begin / 64, words + (end + 63) / 64,
                      [](std::uint64_t word) { return word == 0; })) {
        continue;
      }
    }
    impl.search_window(begin, end, query.rows);
  }
  impl.top.take(hits);
  return true;
}

}  // namespace rookery::retriever_pool::detail
