#pragma once

namespace rookery::retriever_pool {

/// Pays for messages that nobody needs if all goes well: each query earns a share of a token, each
/// copy costs one. So copies are at most `share` of the queries, and `kBurst` more. Pure.
class HedgeBudget {
 public:
  static constexpr double kBurst = 10;

  /// `share` is in [0, 1]; with 0 there are no copies at all.
  explicit HedgeBudget(double share) : share_(share), tokens_(share > 0 ? kBurst : 0) {}

  void query();  ///< one was sent that was needed
  /// A second copy of a slow query. Leaves a token for probes: or else, when everything is slow, no
  /// replica would ever be found to be well again.
  [[nodiscard]] bool may_hedge() const { return tokens_ >= 2; }
  /// A copy that tries a replica which is not asked otherwise.
  [[nodiscard]] bool may_probe() const { return tokens_ >= 1; }
  void spend() { tokens_ -= 1; }

 private:
  double share_, tokens_;
};

}  // namespace rookery::retriever_pool
