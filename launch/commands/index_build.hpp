#pragma once

namespace CLI {
class App;
}

namespace rookery::launch {

/// `rookery index build`: a corpus, encoded, into a snapshot.
void add_index_build(CLI::App& index);

}  // namespace rookery::launch
