#pragma once

namespace CLI {
class App;
}

namespace rookery::launch {

/// `rookery index diff`: how two generations differ.
void add_index_diff(CLI::App& index);

}  // namespace rookery::launch
