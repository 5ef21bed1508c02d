#pragma once

namespace CLI {
class App;
}  // namespace CLI

namespace rookery::launch {

/// `rookery bench blog`, and the processes that it starts.
void add_bench_blog(CLI::App& bench);

}  // namespace rookery::launch
