#pragma once

namespace CLI {
class App;
}

namespace rookery::launch {

/// Adds `bench ralm`: iterative retrieval-augmented generation with and without speculation.
void add_bench_ralm(CLI::App& bench);

}  // namespace rookery::launch
