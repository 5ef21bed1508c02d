#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace rookery::retriever_pool {

inline constexpr std::int32_t kDocumentsMax = 1024;  ///< `k` is in [1, 1024] (law 2)
inline constexpr std::int32_t kBatchMax = 1024;      ///< queries in one request

/// A batch of queries for the index.
struct RetrievalRequest {
  std::span<const float> queries;            ///< `[batch, dimension]`, row-major, finite
  std::int32_t k = 5;                        ///< documents per query, [1, 1024]
  bool want_passages = true;                 ///< source id, title and text of every document
  bool want_vectors = false;                 ///< the stored vector of every document
  std::chrono::milliseconds deadline{2000};  ///< from now; the call returns or throws by then
};

struct Document {
  std::int64_t id = 0;
  float score = 0;
  std::string source_id, title, text;  ///< with `want_passages`
  std::vector<float> vector;           ///< with `want_vectors`
};

/// Row i answers query i, in the one order of results (law 1): score falling, then id rising.
struct RetrievalAnswer {
  std::vector<std::vector<Document>> rows;
  std::string generation;
  std::int32_t shards_answered = 0, shards_wanted = 0;  ///< equal, or the call throws
  std::chrono::microseconds search_time{0};             ///< the slowest shard's own search
  std::chrono::microseconds total_time{0};              ///< as the caller saw it
  std::int32_t attempts = 0;                            ///< messages sent, over all shards
};

/// Why no complete answer came.
enum class RetrievalFault { kInvalid, kUnavailable, kDeadline, kOverloaded, kInternal };

class RetrievalError : public std::runtime_error {
 public:
  RetrievalError(RetrievalFault fault, const std::string& message)
      : std::runtime_error(message), fault_(fault) {}
  [[nodiscard]] RetrievalFault fault() const { return fault_; }

 private:
  RetrievalFault fault_;
};

/// What is being searched.
struct IndexDescription {
  std::string generation, metric, encoder_hash, encoder_name, pooling;
  bool normalised = false;
  std::int32_t dimension = 0, shards = 0;
  std::int64_t passages = 0, sources = 0;
};

/// The one way to ask for documents, whether the pool is in this process or far away. Complete
/// answers of one generation, or a `RetrievalError` before the deadline; never a part (law 2). Any
/// thread may call `retrieve`.
class Retriever {
 public:
  virtual ~Retriever() = default;
  [[nodiscard]] virtual RetrievalAnswer retrieve(const RetrievalRequest& request) = 0;
  [[nodiscard]] virtual IndexDescription description() = 0;
};

struct EmbeddedPoolOptions {
  std::string snapshot;  ///< `NAME` or `NAME/GENERATION`
  int threads = 0;       ///< search threads, 0: all usable cores
};
/// The whole index in this process: no sockets, no head.
std::unique_ptr<Retriever> open_embedded_pool(const EmbeddedPoolOptions& options);

struct PoolClientOptions {
  std::string head;  ///< the head's routing endpoint, `tcp://127.0.0.1:7071`
  std::chrono::milliseconds connect_timeout{5000};  ///< for the first routing view
  std::chrono::milliseconds attempt_timeout{
      500};                       ///< a replica that is silent for so long is asked no more
  std::int32_t attempts_max = 4;  ///< failures per shard and request; lost connections are
                                  ///< retried until the deadline
  std::uint64_t seed = 1;         ///< of the choice between replicas; changes no result
};
/// A client of a colony. Throws `UserError` when the head gives no routing view in time, naming the
/// endpoint.
std::unique_ptr<Retriever> open_pool_client(const PoolClientOptions& options);

}  // namespace rookery::retriever_pool
