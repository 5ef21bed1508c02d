#pragma once

namespace CLI {
class App;
}

namespace rookery::launch {

/// Adds `bench hnsw`: recall and time of graph search, beside faiss's.
void add_bench_hnsw(CLI::App& bench);

}  // namespace rookery::launch
