#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace rookery::trainer {

/// What one optimizer step cost on this rank. Gradients travel while `backward` still runs, so
/// their time is within it.
struct StepFigures {
  std::int64_t step = 0;  ///< from 1
  double loss = 0;        ///< mean over the questions of all ranks
  double gradient_norm = 0;
  double learning_rate = 0;  ///< of the generator
  double encode_ms = 0, retrieval_ms = 0, forward_ms = 0, backward_ms = 0, update_ms = 0;
  std::int64_t tokens = 0;  ///< read by this rank's generator, without padding

  [[nodiscard]] double total_ms() const {
    return encode_ms + retrieval_ms + forward_ms + backward_ms + update_ms;
  }
  /// The line under the progress bar.
  [[nodiscard]] std::string line(std::int32_t ranks) const;
};

/// Figures of a whole run, for `--json`.
struct TrainReport {
  std::vector<StepFigures> steps;  ///< of this call; a resumed run starts behind the checkpoint
  std::vector<double> losses;      ///< of every step since the very first
  std::int64_t first_step = 0;     ///< done before this call
  std::int32_t ranks = 1;
  double train_seconds = 0;  ///< steps and checkpoints, without start-up
  double checkpoint_seconds = 0;
  std::string index_generation, checkpoint;

  [[nodiscard]] std::string to_json() const;
};

/// The value below which `share` of the values lie (nearest rank); 0 for none.
double quantile(std::vector<double> values, double share);

}  // namespace rookery::trainer
