#include "trainer/sampler.hpp"

#include <numeric>
#include <random>
#include <stdexcept>
#include <utility>

namespace rookery::trainer {

std::vector<std::int64_t> shuffled(std::int64_t count, std::int64_t seed, std::int64_t stream) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  // Own Fisher-Yates: std::shuffle and the distributions differ between standard libraries.
  std::mt19937_64 random(static_cast<std::uint64_t>(seed) * 0x9e3779b97f4a7c15ULL +
                         static_cast<std::uint64_t>(stream));
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random() % i]);
  return order;
}

Sampler::Sampler(SamplerOptions options) : options_(options) {
  if (options.questions < 1 || options.batch_size < 1 || options.ranks < 1) {
    throw std::invalid_argument("sampler: questions, batch_size and ranks must be at least 1");
  }
}

const std::vector<std::int64_t>& Sampler::order(std::int64_t epoch) {
  if (epoch != epoch_) {
    order_ = shuffled(options_.questions, options_.seed, epoch);
    epoch_ = epoch;
  }
  return order_;
}

std::vector<std::int64_t> Sampler::batch(std::int64_t step, std::int32_t rank) {
  const std::int64_t size = options_.batch_size;
  const std::int64_t first = (step * options_.ranks + rank) * size;
  std::vector<std::int64_t> result;
  for (std::int64_t position = first; position < first + size; ++position) {
    const std::int64_t epoch = position / options_.questions;
    result.push_back(order(epoch)[static_cast<std::size_t>(position % options_.questions)]);
  }
  return result;
}

std::int64_t Sampler::epoch_of(std::int64_t step) const {
  return step * options_.ranks * options_.batch_size / options_.questions;
}

std::int64_t Sampler::steps_per_epoch() const {
  const std::int64_t together = std::int64_t{options_.ranks} * options_.batch_size;
  return (options_.questions + together - 1) / together;
}

}  // namespace rookery::trainer
