#pragma once

#include <memory>

#include "retriever_pool/retriever.hpp"

namespace rookery::trainer {

/// Asks one generation only, the leased one, so that a run never sees a swap; its requests go
/// before prefetches and behind verification. Thread-safe as the retriever inside.
class PinnedRetriever final : public retriever_pool::Retriever {
 public:
  /// `inner` outlives this object. The lease is held as long.
  PinnedRetriever(retriever_pool::Retriever& inner,
                  std::unique_ptr<retriever_pool::GenerationLease> lease);
  [[nodiscard]] const std::string& generation() const { return lease_->generation(); }

  [[nodiscard]] retriever_pool::RetrievalAnswer retrieve(
      const retriever_pool::RetrievalRequest& request) override;
  /// Of what is served now, which may be a later generation.
  [[nodiscard]] retriever_pool::IndexDescription description() override;

 private:
  retriever_pool::Retriever* inner_;
  std::unique_ptr<retriever_pool::GenerationLease> lease_;
};

}  // namespace rookery::trainer
