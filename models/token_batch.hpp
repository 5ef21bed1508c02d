#pragma once

#include <span>
#include <vector>

#include "models/torch_headers.hpp"
#include "text/tokenizer.hpp"

namespace rookery::models {

/// Rows of tokens of different lengths. Legend of this folder: R rows, L the longest row, H hidden
/// size, A attention heads, D head size, V vocabulary.
struct TokenBatch {
  torch::Tensor tokens_RL;  ///< int64, padded on the right with id 0
  torch::Tensor mask_RL;    ///< bool, true where a token is
  torch::Tensor lengths_R;  ///< int64
};

/// Throws `std::invalid_argument` for no rows, or a row without tokens.
TokenBatch make_token_batch(std::span<const std::vector<text::TokenId>> rows);

}  // namespace rookery::models
