#pragma once

namespace CLI {
class App;
}

namespace rookery::launch {

/// Adds `bench search`: exact search in float and through int8, beside faiss and the machine.
void add_bench_search(CLI::App& bench);

}  // namespace rookery::launch
