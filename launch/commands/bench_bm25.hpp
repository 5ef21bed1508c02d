#pragma once

namespace CLI {
class App;
}

namespace rookery::launch {

/// Adds `bench bm25`: the time of single text queries, beside bm25s.
void add_bench_bm25(CLI::App& bench);

}  // namespace rookery::launch
