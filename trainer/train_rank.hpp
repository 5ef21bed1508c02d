#pragma once

#include <cstdint>
#include <string>

namespace rookery::trainer {

/// What one rank is told on its command line; what is unset comes from the file.
struct RankRunOptions {
  std::string config, pool, index, checkpoint, json;
  std::int64_t steps = -1, seed = -1;
  bool resume = false;
  std::string trace;  ///< a folder, which gets rank-N.json; none: no trace
};

/// Runs one rank from start to end: options, models, pool, ranks, steps, checkpoint, report.
/// Returns the exit code: 0, or 130 when SIGTERM or Ctrl-C ended the run early (with a checkpoint).
/// Throws `UserError`, `RankLost` and `RetrievalError`. Torch-free to include.
int run_rank(const RankRunOptions& options);

}  // namespace rookery::trainer
