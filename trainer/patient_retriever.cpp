#include "trainer/patient_retriever.hpp"

#include <algorithm>
#include <thread>
#include <utility>

#include "base/error.hpp"
#include "retriever_pool/key_folder.hpp"
#include "base/log.hpp"

namespace rookery::trainer {
namespace {

using retriever_pool::RetrievalError;
using retriever_pool::RetrievalFault;

bool passes(RetrievalFault fault) {
  return fault == RetrievalFault::kUnavailable || fault == RetrievalFault::kDeadline ||
         fault == RetrievalFault::kOverloaded;
}

std::string shape(const std::string& pooling, bool normalised, std::int32_t dimension) {
  return std::to_string(dimension) + "-d, " + pooling + " pooling, " +
         (normalised ? "normalised" : "not normalised");
}

}  // namespace

void check_encoder_fits(const retriever_pool::IndexDescription& index,
                        const engine::EncoderIdentity& encoder) {
  const bool known =
      index.encoder_hash == encoder.model_hash ||
      (!encoder.trained_against.empty() && index.encoder_hash == encoder.trained_against);
  const std::string wanted = shape(index.pooling, index.normalised, index.dimension);
  const std::string came = shape(encoder.pooling, encoder.normalised, encoder.dimension);
  if (known && wanted == came) return;
  throw base::UserError("question encoder '" + encoder.name +
                        "': expected one that fits the index (" + index.encoder_name + ", " +
                        index.encoder_hash.substr(0, 12) + ", " + wanted + "), got " +
                        encoder.model_hash.substr(0, 12) + ", " + came +
                        "; use the index's encoder or one that was trained against it");
}

PatientRetriever::PatientRetriever(std::unique_ptr<retriever_pool::Retriever> inner,
                                   PatienceOptions options)
    : inner_(std::move(inner)), options_(std::move(options)) {
  if (!options_.pause) {
    options_.pause = [](std::chrono::milliseconds time) { std::this_thread::sleep_for(time); };
  }
}

template <class Call>
auto PatientRetriever::patiently(const Call& call) -> decltype(call()) {
  std::chrono::milliseconds waited{0};
  std::chrono::milliseconds pause = options_.first_pause;
  for (;;) {
    const auto begin = std::chrono::steady_clock::now();
    try {
      return call();
    } catch (const RetrievalError& error) {
      waited += std::chrono::duration_cast<std::chrono::milliseconds>(
          std::chrono::steady_clock::now() - begin);
      if (!passes(error.fault())) throw;
      if (waited + pause > options_.wait) {
        throw RetrievalError(error.fault(), std::string(error.what()) + " (gave up after waiting " +
                                                std::to_string(waited.count()) + " ms)");
      }
      base::logger("trainer")->warn("retrieval failed, trying again in {} ms: {}", pause.count(),
                                    error.what());
    }
    options_.pause(pause);
    waited += pause;
    pause = std::min(pause * 2, std::chrono::milliseconds{1000});
  }
}

retriever_pool::RetrievalAnswer PatientRetriever::retrieve(
    const retriever_pool::RetrievalRequest& request) {
  return patiently([&] { return inner_->retrieve(request); });
}

retriever_pool::IndexDescription PatientRetriever::description() { return inner_->description(); }

std::unique_ptr<retriever_pool::GenerationLease> PatientRetriever::lease() {
  return patiently([&] { return inner_->lease(); });
}

std::unique_ptr<retriever_pool::Retriever> open_retriever(
    const std::string& pool, const retriever_pool::EmbeddedPoolOptions& embedded,
    const retriever_pool::ClientSettings& client, base::Trace* trace) {
  if (pool == "embedded") return retriever_pool::open_embedded_pool(embedded);
  if (pool.starts_with("tcp://")) {
    retriever_pool::PoolClientOptions options;
    options.head = pool;
    options.trace = trace;
    options.keys = retriever_pool::find_client_keys("");
    return retriever_pool::open_pool_client(client.applied(std::move(options)));
  }
  throw base::UserError("pool: expected embedded or the head's endpoint tcp://HOST:PORT, got '" +
                        pool + "'");
}

}  // namespace rookery::trainer
