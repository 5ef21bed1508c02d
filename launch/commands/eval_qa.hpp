#pragma once

namespace CLI {
class App;
}

namespace rookery::launch {

/// Adds `eval qa`: answers over all retrieved passages, with exact match, F1 and the controls.
void add_eval_qa(CLI::App& eval);

}  // namespace rookery::launch
