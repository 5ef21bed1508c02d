#pragma once

namespace CLI {
class App;
}

namespace rookery::launch {

/// `rookery bench encode`: passages a second of our encoder beside sentence-transformers'.
void add_bench_encode(CLI::App& bench);

}  // namespace rookery::launch
