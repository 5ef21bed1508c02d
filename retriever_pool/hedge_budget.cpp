#include "retriever_pool/hedge_budget.hpp"

#include <algorithm>

namespace rookery::retriever_pool {

void HedgeBudget::query() { tokens_ = std::min(tokens_ + share_, kBurst); }

}  // namespace rookery::retriever_pool
