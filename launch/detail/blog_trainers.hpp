#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "launch/blog_data.hpp"
#include "launch/line_process.hpp"

namespace rookery::launch {

/// The ranks of a simulated data-parallel run: a step begins on all of them when all have ended the
/// one before, as DDP's exchange of gradients makes it. The barrier is ours and the same for every
/// contestant; it lies outside of what the ranks measure.
class BlogTrainers {
 public:
  /// `data` outlives this object.
  BlogTrainers(std::vector<LineProcess> ranks, BlogData& data);
  [[nodiscard]] int size() const { return static_cast<int>(ranks_.size()); }
  [[nodiscard]] pid_t pid(int rank) const { return ranks_[static_cast<std::size_t>(rank)].pid(); }

  /// Seconds of every rank's retrieval. Throws `UserError` when a rank fails or is silent.
  std::vector<double> step(int compute_ms);
  /// As `step`, and gives the recall of what came back.
  double checked_step(int compute_ms);

  /// Tells all ranks to begin the next step.
  void begin(int compute_ms, bool check = false);
  struct Outcome {
    std::optional<double> seconds;
    std::string error;  ///< what the rank said, or how it ended; empty: silent for the whole time
  };
  /// What a rank says about the step that was begun.
  Outcome finish(int rank, std::chrono::milliseconds timeout);

 private:
  nlohmann::json answer(int rank);

  BlogData* data_;
  std::vector<LineProcess> ranks_;
  std::int64_t step_ = 0;
};

}  // namespace rookery::launch
