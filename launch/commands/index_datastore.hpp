#pragma once

namespace CLI {
class App;
}

namespace rookery::launch {

/// `rookery index datastore`: keys and values of a kNN language model into a snapshot.
void add_index_datastore(CLI::App& index);

}  // namespace rookery::launch
