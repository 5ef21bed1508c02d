#pragma once

namespace CLI {
class App;
}

namespace rookery::launch {

/// `rookery index export`: a snapshot's vectors, ids and values into files that others read.
void add_index_export(CLI::App& index);

}  // namespace rookery::launch
