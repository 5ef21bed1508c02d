#pragma once

namespace CLI {
class App;
}

namespace rookery::launch {

/// `rookery index add`, `reshard`, `append` and `delete`: a new generation from an old one.
void add_index_rewrite(CLI::App& index);

}  // namespace rookery::launch
