#pragma once

namespace CLI {
class App;
}

namespace rookery::launch {

/// Adds `bench pool`: what the pool adds to a search, and what merging wins.
void add_bench_pool(CLI::App& bench);

}  // namespace rookery::launch
