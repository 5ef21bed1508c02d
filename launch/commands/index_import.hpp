#pragma once

namespace CLI {
class App;
}

namespace rookery::launch {

/// `rookery index import`: vectors that were made elsewhere, with their texts, into a snapshot.
void add_index_import(CLI::App& index);

}  // namespace rookery::launch
