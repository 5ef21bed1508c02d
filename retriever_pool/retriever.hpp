#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "index_tools/index_spec.hpp"
#include "retriever_pool/passage_filter.hpp"

namespace rookery::base {
class Metrics;
class Trace;
}  // namespace rookery::base

namespace rookery::retriever_pool {

inline constexpr std::int32_t kDocumentsMax = 1024;           ///< `k` is in [1, 1024] (law 2)
inline constexpr std::int32_t kBatchMax = 1024;               ///< queries in one request
inline constexpr std::int64_t kQueryTextBytesMax = 64 << 10;  ///< of one text query

/// How far an approximate search looks; 0 takes what the index was built with. Exact kinds ignore
/// it.
struct SearchTuning {
  std::int32_t ef_search = 0;   ///< hnsw: candidates of the walk, which uses max(ef_search, k)
  std::int32_t nprobe = 0;      ///< ivfpq: lists that are read
  std::int32_t candidates = 0;  ///< ivfpq, hnsw over int8: rows that are re-scored exactly, at
                                ///< least k
  friend bool operator==(const SearchTuning&, const SearchTuning&) = default;
};

/// Which of a server's queues a request waits in: a lower number is searched first, as far as the
/// budgets of the others allow. The number travels in the header.
enum class Priority : std::uint8_t {
  kVerification = 0,  ///< somebody waits for a token: serving, verification, single queries
  kTraining = 1,      ///< a step waits for it
  kPrefetch = 2,      ///< nobody waits yet
};
inline constexpr std::int32_t kPriorities = 3;

/// A batch of queries for the index: vectors for the dense kinds, texts for bm25, ids to look
/// passages up. Exactly one of the three is given.
struct RetrievalRequest {
  std::span<const float> queries = {};      ///< `[batch, dimension]`, row-major, finite
  std::span<const std::string> texts = {};  ///< `[batch]`, UTF-8, at most `kQueryTextBytesMax` each
  std::span<const std::int64_t> ids =
      {};                     ///< `[batch]`: row i of the answer is that passage with
                              ///< score 0, or nothing where there is none; k is ignored
  std::int32_t k = 5;         ///< documents per query, [1, 1024]
  bool want_passages = true;  ///< source id, title and text of every document
  bool want_vectors = false;  ///< the stored vector of every document
  std::chrono::milliseconds deadline{2000};  ///< from now; the call returns or throws by then
  std::optional<index_tools::IndexKind> kind = {};  ///< unset: the pool's own; bm25 for texts
  SearchTuning tuning = {};
  PassageFilter filter = {};  ///< on top of the pool's own
  Priority priority = Priority::kVerification;
  /// The vectors of `want_vectors` travel as float16: the stored ones rounded to nearest even,
  /// wherever they come from; exact for snapshots that store float16.
  bool float16_vectors = false;
  /// Unset: the live generation. Else only this one answers, live or retired, and kUnavailable when
  /// it is not served; hold a lease (`Retriever::lease`) to have it served.
  std::string generation = {};
  std::uint64_t trace = 0;  ///< of the trace that this call belongs to; 0: none
};

struct Document {
  std::int64_t id = 0;
  float score = 0;
  std::string source_id, title, text;      ///< with `want_passages`
  std::vector<float> vector;               ///< with `want_vectors`
  std::optional<std::int32_t> value = {};  ///< of a kNN datastore's entry: always given there
};

/// Row i answers query i, in the one order of results (law 1): score falling, then id rising.
struct RetrievalAnswer {
  std::vector<std::vector<Document>> rows;
  std::string generation;
  std::int32_t shards_answered = 0, shards_wanted = 0;  ///< equal, or the call throws
  std::chrono::microseconds search_time{0};             ///< the slowest shard's own search
  std::chrono::microseconds total_time{0};              ///< as the caller saw it
  std::int32_t attempts = 0;                            ///< messages sent, over all shards
  std::int32_t hedges = 0;  ///< of them, copies sent to a second replica
  bool cached = false;      ///< it came from the client's cache
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
  /// SHA-256 over the sizes and SHA-256 of all files, hex: a folder with the same is the same
  /// generation. Empty: not known (a head of an older version).
  std::string files_digest = {};
  std::vector<index_tools::IndexKind> kinds = {};  ///< that can be asked for, by rising number
  index_tools::IndexKind default_kind = index_tools::IndexKind::kExact;
};

/// Keeps a generation served, also when the colony has moved on to another, while it lives. Losing
/// the head does not end it; the next head learns of it again.
class GenerationLease {
 public:
  virtual ~GenerationLease() = default;
  [[nodiscard]] const std::string& generation() const { return generation_; }

 protected:
  explicit GenerationLease(std::string generation) : generation_(std::move(generation)) {}

 private:
  std::string generation_;
};

/// The one way to ask for documents, whether the pool is in this process or far away. Complete
/// answers of one generation, or a `RetrievalError` before the deadline; never a part (law 2). Any
/// thread may call `retrieve`.
class Retriever {
 public:
  virtual ~Retriever() = default;
  [[nodiscard]] virtual RetrievalAnswer retrieve(const RetrievalRequest& request) = 0;
  [[nodiscard]] virtual IndexDescription description() = 0;
  /// A lease on the live generation: a run that must not see a swap takes one at its start and sets
  /// `RetrievalRequest::generation` from it. May outlive the retriever. Where there is one
  /// generation only, it holds nothing. Throws `RetrievalError` when the head does not grant it.
  [[nodiscard]] virtual std::unique_ptr<GenerationLease> lease();
};

struct EmbeddedPoolOptions {
  std::string snapshot;                             ///< `NAME` or `NAME/GENERATION`
  int threads = 0;                                  ///< search threads, 0: all usable cores
  std::optional<index_tools::IndexKind> kind = {};  ///< of queries that name none; unset: see
                                                    ///< `default_kind`
  SearchTuning tuning = {};                         ///< where a query says 0
  PassageFilter filter = {};                        ///< holds for every query
};
/// The whole index in this process: no sockets, no head.
std::unique_ptr<Retriever> open_embedded_pool(const EmbeddedPoolOptions& options);

/// When a second replica is asked before the first one answered. What it answers is the same, so
/// hedging changes no result. Spec: Tail at Scale; delay and budget as in
/// retrieval-and-reliability.md 5.1.
struct HedgeOptions {
  bool enabled = true;
  double budget = 0.05;                    ///< hedges per query and shard, on average; in [0, 1]
  std::chrono::milliseconds delay_min{5};  ///< never before max(this, the shard's p95)
};

/// A client's CURVE keys, Z85, 40 characters each; all empty: the connection is not encrypted.
struct CurveClientKeys {
  std::string server_public;  ///< of head and nodes
  std::string public_key, secret_key;
  [[nodiscard]] bool empty() const { return server_public.empty(); }
};

/// How a client chooses between the replicas of a shard; no choice changes a result.
enum class ChoicePolicy {
  kPowerOfTwo,  ///< of two drawn at random the one with less to do
  kRandom,      ///< uniform, whatever they have to do: a baseline to measure the other against
};

struct PoolClientOptions {
  std::string head;        ///< the head's routing endpoint, `tcp://127.0.0.1:7071`
  std::string index = {};  ///< the name of the index; empty: the colony's default one
  std::chrono::milliseconds connect_timeout{5000};  ///< for the first routing view
  std::chrono::milliseconds attempt_timeout{
      500};                       ///< a replica that is silent for so long is asked no more
  std::int32_t attempts_max = 4;  ///< failures per shard and request; lost connections are
                                  ///< retried until the deadline
  std::uint64_t seed = 1;         ///< of the choice between replicas; changes no result
  HedgeOptions hedge = {};
  bool ejection = true;  ///< leave out replicas that fail or lag behind: see OutlierDetector
  ChoicePolicy choice = ChoicePolicy::kPowerOfTwo;
  /// Take passages and vectors from the snapshot when this host has it; they are the same bytes.
  bool local_documents = true;
  std::int64_t cache_bytes = 0;  ///< of the cache of answers, a generation's only; 0: none
  CurveClientKeys keys = {};
  base::Metrics* metrics = nullptr;  ///< outlives the client; null: none are kept
  base::Trace* trace = nullptr;      ///< outlives the client; null: nothing is traced
};
/// A client of a colony. Throws `UserError` when the head gives no routing view in time, naming the
/// endpoint.
std::unique_ptr<Retriever> open_pool_client(const PoolClientOptions& options);

}  // namespace rookery::retriever_pool
