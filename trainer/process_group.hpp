#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "models/parameter_set.hpp"

namespace rookery::trainer {

/// Who we are among the ranks, as torchrun tells it: RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT.
struct RankOptions {
  std::int32_t rank = 0;
  std::int32_t ranks = 1;
  std::string master_address = "127.0.0.1";
  std::uint16_t master_port = 0;              ///< of rank 0's store; 0 only for a single rank
  std::chrono::milliseconds timeout{60'000};  ///< of every collective call

  /// Reads the four variables; none of them set means one rank. Throws `UserError` naming the
  /// variable otherwise.
  static RankOptions from_environment(std::chrono::milliseconds timeout);
};

/// Another rank is gone or silent: nothing can be trained any more.
struct RankLost : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The ranks of one run: c10d's store, Gloo process group and gradient reducer. With one rank no
/// socket is opened. One thread at a time. Collective calls throw `RankLost` when another rank dies
/// or stays silent for `timeout`.
class ProcessGroup {
 public:
  /// Waits for all ranks.
  explicit ProcessGroup(const RankOptions& options);
  ~ProcessGroup();
  [[nodiscard]] std::int32_t rank() const { return options_.rank; }
  [[nodiscard]] std::int32_t ranks() const { return options_.ranks; }

  /// Sums `values` over the ranks, in place.
  void sum(std::vector<double>& values);
  /// Everybody gets rank 0's values.
  void broadcast(std::vector<std::int64_t>& values);
  void barrier();
  /// Rank 0 gets the values of all ranks, in the order of ranks; the others get nothing. Every rank
  /// passes equally many.
  [[nodiscard]] std::vector<float> gather(std::span<const float> values);
  /// Every rank gets its `count` of rank 0's `count · ranks` values; the others pass nothing.
  [[nodiscard]] std::vector<std::int64_t> scatter(std::span<const std::int64_t> values,
                                                  std::size_t count);
  [[nodiscard]] std::vector<float> scatter(std::span<const float> values, std::size_t count);

  /// From now on `backward` averages the gradients of these over the ranks (c10d::Reducer). All
  /// ranks pass the same parameters in the same order, and rank 0's values are copied to all.
  void reduce_gradients_of(const std::vector<models::NamedParameter>& parameters);
  /// `loss.backward()`; parameters that no rank used keep an undefined gradient.
  void backward(const torch::Tensor& loss);

 private:
  struct Impl;
  template <class T>
  std::vector<T> scatter_values(std::span<const T> values, std::size_t count);

  RankOptions options_;
  std::unique_ptr<Impl> impl_;  ///< empty with one rank
};

}  // namespace rookery::trainer
