#pragma once

namespace CLI {
class App;
}

namespace rookery::launch {

/// `rookery index info` and `rookery index verify`: what a snapshot holds, and whether it is sound.
void add_index_info(CLI::App& index);

}  // namespace rookery::launch
