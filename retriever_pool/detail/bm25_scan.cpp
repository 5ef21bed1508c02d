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

constexpr std::int32_t kWindowRows = 4096;  // sums of 32 KiB: they stay in the first cache
constexpr std::int32_t kSparseRows = 1024;  // up to so many postings, rows are listed one by one
constexpr std::int64_t kLookupCost = 32;    // postings that are passed in the time of one look-up
constexpr std::int32_t kDeadlineWindows = 4;

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
  std::array<std::int32_t, kWindowRows + 16> touched{};
  std::array<std::int32_t, kWindowRows + 16> candidates{};

  Impl(const index_tools::Bm25Postings& all, InstructionSet instructions)
      : postings(all),
        kernel(kernel_of(instructions)),
        formula(all.formula()),
        view{all.data(), all.lengths().data(), formula.constant, formula.per_token} {}

  // Shares that at least k rows have of this term alone; 0 when that is not known.
  static std::int64_t reached_shares(const index_tools::Bm25Term& term, double weight,
                                     std::int32_t k) {
    for (std::size_t i = 0; i < term.reached.size(); ++i) {
      if (index_tools::kBm25Levels[i] < k) continue;
      if (term.reached[i] == 0) return 0;
      return index_tools::bm25_share(weight, term.reached[i] / 65536.0);
    }
    return 0;
  }

  void open_cursors(std::string_view query, std::int32_t k) {
    known = 0;
    const auto analysed = analyzer.analyse(query);
    terms.assign(analysed.begin(), analysed.end());
    std::sort(terms.begin(), terms.end());
    active.clear();
    for (std::size_t begin = 0; begin < terms.size();) {
      std::size_t end = begin + 1;
      while (end < terms.size() && terms[end] == terms[begin]) ++end;
      const auto term = postings.find(terms[begin]);
      if (term && term->count > 0) {
        if (cursors.size() == active.size()) cursors.push_back(std::make_unique<Bm25Cursor>());
        Bm25Cursor& cursor = *cursors[active.size()];
        const double weight =
            index_tools::bm25_weight(postings.corpus_documents(), term->documents);
        const auto repeats = static_cast<std::int64_t>(end - begin);
        cursor.open(*term, weight, repeats);
        active.push_back(&cursor);
        known = std::max(known, reached_shares(*term, weight, k) * repeats);
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

  // Adds the essential terms' shares; the rows that may come in are then in `candidates`.
  void gather(std::size_t essential, std::int64_t begin, std::int64_t end) {
    std::int64_t expected = 0;
    for (std::size_t t = essential; t < active.size(); ++t) {
      expected += active[t]->window_postings();
    }
    const std::int64_t limit = top.needed() - bounds_upto[essential];
    touched_count = 0;
    sparse = expected <= kSparseRows;
    for (std::size_t t = essential; t < active.size(); ++t) {
      if (sparse) {
        touched_count += active[t]->add_and_list(begin, end, view, kernel, sums.data(),
                                                 touched.data() + touched_count);
      } else {
        active[t]->add(begin, end, view, kernel, sums.data());
      }
    }
    sorted = !sparse;
    if (sparse) {
      found = 0;
      for (std::int32_t n = 0; n < touched_count; ++n) {
        const std::int32_t at = touched[static_cast<std::size_t>(n)];
        candidates[static_cast<std::size_t>(found)] = at;
        found += sums[static_cast<std::size_t>(at)] >= limit ? 1 : 0;
      }
    } else {
      found = kernel.collect(sums.data(), kWindowRows, limit, candidates.data());
    }
  }

  // Keeps the candidates for which `keep(at)` holds.
  template <typename Keep>
  void filter(const Keep& keep) {
    std::int32_t kept = 0;
    for (std::int32_t c = 0; c < found; ++c) {
      const std::int32_t at = candidates[static_cast<std::size_t>(c)];
      candidates[static_cast<std::size_t>(kept)] = at;
      kept += keep(at) ? 1 : 0;
    }
    found = kept;
  }

  // Completes the candidates' sums, from the term with the largest bound down. A row that was no
  // candidate before a term cannot become one by it.
  void complete(std::size_t essential, std::int64_t begin, std::int64_t end) {
    for (std::size_t t = essential; t-- > 0 && found > 0;) {
      if (bounds_upto[t + 1] == bounds_upto[t]) continue;
      Bm25Cursor& cursor = *active[t];
      const std::int64_t limit = top.needed() - bounds_upto[t];
      // To pass over all postings of the window is cheaper than to look many rows up.
      if (cursor.window_postings() < kLookupCost * found) {
        cursor.add_where(top.needed() - bounds_upto[t + 1], begin, end, view, kernel, sums.data());
        filter([&](std::int32_t at) { return sums[static_cast<std::size_t>(at)] >= limit; });
        continue;
      }
      if (!sorted) std::sort(candidates.begin(), candidates.begin() + found);
      sorted = true;
      filter([&](std::int32_t at) {
        std::int64_t& sum = sums[static_cast<std::size_t>(at)];
        const std::int64_t share = cursor.share_of(begin + at, limit - sum, view, kernel);
        sum += std::max<std::int64_t>(share, 0);
        return share >= 0 && sum >= limit;
      });
    }
  }

  void search_window(std::int64_t begin, std::int64_t end, const RowSet* rows) {
    bound_window(begin, end);
    if (bounds_upto.back() < top.needed()) return;
    std::size_t essential = 0;
    while (bounds_upto[essential + 1] < top.needed()) ++essential;
    gather(essential, begin, end);
    if (rows != nullptr) filter([&](std::int32_t at) { return rows->contains(begin + at); });
    complete(essential, begin, end);
    for (std::int32_t c = 0; c < found; ++c) {
      const std::int32_t at = candidates[static_cast<std::size_t>(c)];
      top.add(begin + at, sums[static_cast<std::size_t>(at)]);
    }
    top.end_window();
    if (!sparse) {
      sums.fill(0);
    } else {
      for (std::int32_t n = 0; n < touched_count; ++n) {
        sums[static_cast<std::size_t>(touched[static_cast<std::size_t>(n)])] = 0;
      }
    }
  }

  std::int64_t known = 0;          // shares that at least k rows reach, by one term alone
  std::int32_t found = 0;          // candidates of the window
  std::int32_t touched_count = 0;  // rows of a sparse window that essential terms have
  bool sparse = false;             // only the touched rows' sums are not zero
  bool sorted = false;             // the candidates are rising
};

Bm25Scan::Bm25Scan(const index_tools::Bm25Postings& postings, InstructionSet instructions)
    : impl_(std::make_unique<Impl>(postings, instructions)) {}
Bm25Scan::~Bm25Scan() = default;

bool Bm25Scan::search(const Bm25Query& query, std::vector<Bm25Hit>& hits) {
  Impl& impl = *impl_;
  hits.clear();
  impl.open_cursors(query.text, query.k);
  impl.top.reset(query.k);
  if (query.rows == nullptr && impl.known > 0) impl.top.expect(impl.known);
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
