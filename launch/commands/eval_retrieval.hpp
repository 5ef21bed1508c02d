#pragma once

namespace CLI {
class App;
}

namespace rookery::launch {

/// Adds `eval retrieval`: how often the answer, or the named passage, is among the first k.
void add_eval_retrieval(CLI::App& eval);

}  // namespace rookery::launch
