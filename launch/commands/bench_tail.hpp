#pragma once

namespace CLI {
class App;
}

namespace rookery::launch {

/// Adds `bench tail`: the pool's slowest calls while one replica is slow.
void add_bench_tail(CLI::App& bench);

}  // namespace rookery::launch
