#pragma once

#include <cstdint>
#include <vector>

namespace rookery::trainer {

struct SamplerOptions {
  std::int64_t questions = 0;   ///< how many there are, at least 1
  std::int32_t batch_size = 1;  ///< per rank
  std::int32_t ranks = 1;
  std::int64_t seed = 1;
};

/// Which questions a rank sees at a step: every epoch walks over all of them in an order of its
/// own, which seed and epoch alone decide; the ranks' batches lie side by side in it, so that W
/// ranks of B see what one rank of W × B sees. No state: a step's number is the position.
class Sampler {
 public:
  explicit Sampler(SamplerOptions options);
  /// Indexes of the questions, `[batch_size]`; an epoch's end is followed by the next one's start.
  [[nodiscard]] std::vector<std::int64_t> batch(std::int64_t step, std::int32_t rank);
  [[nodiscard]] std::int64_t epoch_of(std::int64_t step) const;
  /// Steps of one epoch, the last one possibly shared with the next epoch.
  [[nodiscard]] std::int64_t steps_per_epoch() const;

 private:
  const std::vector<std::int64_t>& order(std::int64_t epoch);

  SamplerOptions options_;
  std::int64_t epoch_ = -1;
  std::vector<std::int64_t> order_;
};

/// 0 … count-1 in an order that `seed` and `stream` decide, the same on every machine.
std::vector<std::int64_t> shuffled(std::int64_t count, std::int64_t seed, std::int64_t stream);

}  // namespace rookery::trainer
