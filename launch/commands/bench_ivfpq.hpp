#pragma once

namespace CLI {
class App;
}

namespace rookery::launch {

/// `rookery bench ivfpq`: our search of inverted lists beside faiss's over the same lists.
void add_bench_ivfpq(CLI::App& bench);

}  // namespace rookery::launch
