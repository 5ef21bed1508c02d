#include "retriever_pool/retry_budget.hpp"

#include <algorithm>

namespace rookery::retriever_pool {

void RetryBudget::success() { tokens_ = std::min(tokens_ + kPerSuccess, kTokensMax); }
void RetryBudget::failure() { tokens_ = std::max(tokens_ - 1, 0.0); }

}  // namespace rookery::retriever_pool
