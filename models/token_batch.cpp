#include "models/token_batch.hpp"

#include <algorithm>
#include <stdexcept>

namespace rookery::models {

TokenBatch make_token_batch(std::span<const std::vector<text::TokenId>> rows) {
  if (rows.empty()) throw std::invalid_argument("token batch: expected at least one row");
  std::size_t longest = 0;
  for (const auto& row : rows) {
    if (row.empty()) throw std::invalid_argument("token batch: expected tokens, got an empty row");
    longest = std::max(longest, row.size());
  }
  const auto count = static_cast<std::int64_t>(rows.size());
  const auto width = static_cast<std::int64_t>(longest);
  TokenBatch batch;
  batch.tokens_RL = torch::zeros({count, width}, torch::kInt64);
  batch.lengths_R = torch::empty({count}, torch::kInt64);
  auto* tokens = batch.tokens_RL.data_ptr<std::int64_t>();
  for (std::size_t row = 0; row < rows.size(); ++row) {
    std::copy(rows[row].begin(), rows[row].end(), tokens + row * longest);
    batch.lengths_R.data_ptr<std::int64_t>()[row] = static_cast<std::int64_t>(rows[row].size());
  }
  batch.mask_RL = torch::arange(width).unsqueeze(0) < batch.lengths_R.unsqueeze(1);
  return batch;
}

}  // namespace rookery::models
