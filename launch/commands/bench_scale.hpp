#pragma once

namespace CLI {
class App;
}

namespace rookery::launch {

/// `rookery bench scale`: what every kind of index costs as the corpus grows.
void add_bench_scale(CLI::App& bench);

}  // namespace rookery::launch
