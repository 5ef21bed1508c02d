#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace rookery::launch {

struct Bm25BenchOptions {
  std::string corpus = "wiki";  ///< what `index build` takes, or the word wiki
  std::string questions;        ///< a question file; empty: short descriptions of the corpus, or
                                ///< runs of words from it where it has none
  std::int64_t passages = 200'000;
  std::int64_t queries = 140;
  std::vector<std::int32_t> ks = {5, 100};
  int repeat = 9;
  float k1 = 0.9F, b = 0.4F;
};

/// BM25 on passages that are put together of the corpus's own sentences, drawn at random (seed 0):
/// as many sentences in each as in some source. One query after the other on one thread, ours and
/// bm25s (numba, numpy) in turn, all with our terms. Keys: `machine`, `passages`, `words_mean`,
/// `vocabulary`, `build_s`, `bytes`, `open_s`, `rivals[]` (`backend`, `build_s`, `bytes`) and
/// `results[]` (`k`, `ms_median`, `ms_p95`, `search_ms_median`, `analysis_ms_median`, the same of
/// `numba_` and `numpy_`, `ratio_numba`, `largest_difference` of a score); null where a rival is
/// not installed. Throws `UserError` for a corpus that cannot be read.
nlohmann::json run_bm25_bench(const Bm25BenchOptions& options);

}  // namespace rookery::launch
