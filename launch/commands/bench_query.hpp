#pragma once

namespace CLI {
class App;
}

namespace rookery::launch {

/// Adds `bench query`: the time of single queries, a vector in and passages out.
void add_bench_query(CLI::App& bench);

}  // namespace rookery::launch
