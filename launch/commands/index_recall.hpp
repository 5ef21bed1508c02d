#pragma once

namespace CLI {
class App;
}

namespace rookery::launch {

/// `rookery index recall`: what an index of a snapshot finds of what exact search finds, and how
/// fast.
void add_index_recall(CLI::App& index);

}  // namespace rookery::launch
