#pragma once

namespace rookery::retriever_pool {

/// Keeps retries from becoming the load that breaks a pool: each failure takes a token, each
/// success gives a tenth back, and below half of them nothing is retried at once. As gRPC does (its
/// proposal A6). Pure.
class RetryBudget {
 public:
  static constexpr double kTokensMax = 10, kPerSuccess = 0.1;

  void success();
  void failure();
  [[nodiscard]] bool may_retry() const { return tokens_ > kTokensMax / 2; }

 private:
  double tokens_ = kTokensMax;
};

}  // namespace rookery::retriever_pool
