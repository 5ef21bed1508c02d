#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "base/trace.hpp"
#include "engine/text_encoder.hpp"
#include "retriever_pool/client_settings.hpp"
#include "retriever_pool/retriever.hpp"

namespace rookery::trainer {

/// Refuses an encoder that cannot search this index: its hash (or `trained_against`), dimension,
/// pooling and normalisation must agree. The `UserError` names both sides.
void check_encoder_fits(const retriever_pool::IndexDescription& index,
                        const engine::EncoderIdentity& encoder);

struct PatienceOptions {
  std::chrono::milliseconds wait{45'000};     ///< over all tries of one call, for a pool away
  std::chrono::milliseconds first_pause{50};  ///< doubled after every try, at most 1 s
  /// How to pause; tests pass a virtual clock's.
  std::function<void(std::chrono::milliseconds)> pause;
};

/// A retriever that outlives the death of nodes: an answer or a lease that is unavailable, late or
/// refused for load is asked for again until `wait` is used up; invalid requests and inner faults
/// are passed on at once. Thread-safe as the retriever inside.
class PatientRetriever final : public retriever_pool::Retriever {
 public:
  PatientRetriever(std::unique_ptr<retriever_pool::Retriever> inner, PatienceOptions options);
  [[nodiscard]] retriever_pool::RetrievalAnswer retrieve(
      const retriever_pool::RetrievalRequest& request) override;
  [[nodiscard]] retriever_pool::IndexDescription description() override;
  [[nodiscard]] std::unique_ptr<retriever_pool::GenerationLease> lease() override;

 private:
  template <class Call>
  auto patiently(const Call& call) -> decltype(call());

  std::unique_ptr<retriever_pool::Retriever> inner_;
  PatienceOptions options_;
};

/// `embedded` opens a snapshot in this process as `embedded` says; `tcp://…` is the head's endpoint
/// of a colony, asked with spans in `trace` (may be null, else outlives it). Throws `UserError` for
/// anything else.
std::unique_ptr<retriever_pool::Retriever> open_retriever(
    const std::string& pool, const retriever_pool::EmbeddedPoolOptions& embedded,
    const retriever_pool::ClientSettings& client = {}, base::Trace* trace = nullptr);

}  // namespace rookery::trainer
