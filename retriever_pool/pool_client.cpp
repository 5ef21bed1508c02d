#include <algorithm>
#include <bit>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <span>

#include "base/error.hpp"
#include "base/trace.hpp"
#include "retriever_pool/answer_merge.hpp"
#include "retriever_pool/detail/client_loop.hpp"
#include "retriever_pool/detail/lease_keeper.hpp"
#include "retriever_pool/local_documents.hpp"
#include "retriever_pool/request_checks.hpp"
#include "retriever_pool/result_cache.hpp"
#include "retriever_pool/retriever.hpp"

namespace rookery::retriever_pool {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::microseconds;

/// Requests of about equal cost: of one kind, of a batch within a factor of two, with equally much
/// to send back.
std::uint32_t work_class(const RetrievalRequest& request, std::uint32_t batch) {
  const std::uint32_t kind = request.kind ? static_cast<std::uint32_t>(*request.kind) + 1 : 0;
  const std::uint32_t form = !request.ids.empty() ? 2 : !request.texts.empty() ? 1 : 0;
  const std::uint32_t extras =
      (request.want_vectors ? 1U : 0U) | (request.filter.empty() ? 0U : 2U);
  return static_cast<std::uint32_t>(std::bit_width(batch)) | form << 8 | extras << 10 | kind << 16;
}

class PoolClient final : public Retriever {
 public:
  explicit PoolClient(const PoolClientOptions& options)
      : trace_(options.trace != nullptr),
        cache_(options.cache_bytes, options.metrics),
        loop_(options),
        leases_(std::make_shared<detail::LeaseKeeper>(options)),
        timeout_(options.connect_timeout) {
    if (options.local_documents) local_.emplace();
    if (!loop_.wait_for_view(options.connect_timeout)) {
      throw base::UserError(
          detail::no_view_text(options.head, options.connect_timeout, loop_.head_trouble()));
    }
  }

  // A lease that is ending in another thread may hold the keeper a moment longer than we do.
  ~PoolClient() override {
    leases_->close();
    loop_.close();
    const std::unique_lock all_callers_left(inside_);
  }
  PoolClient(const PoolClient&) = delete;
  PoolClient& operator=(const PoolClient&) = delete;

  RetrievalAnswer retrieve(const RetrievalRequest& request) override {
    const std::shared_lock inside(inside_);
    const auto begin = Clock::now();
    const IndexDescription index = loop_.index(request.generation);
    if (index.generation.empty()) {
      throw RetrievalError(RetrievalFault::kUnavailable,
                           request.generation.empty()
                               ? "the colony serves no index yet"
                               : "generation " + request.generation +
                                     " is not served; hold a lease to have it kept");
    }
    check_request(request, index);
    const bool cacheable = cache_.enabled() && request.generation.empty();
    std::string cache_key;
    if (cacheable) {
      cache_key = wire::encode_query(request, index.dimension);
      if (auto cached = cache_.find(index.generation, cache_key)) {
        cached->total_time = std::chrono::duration_cast<microseconds>(Clock::now() - begin);
        return std::move(*cached);
      }
    }
    RetrievalAnswer answer = with_documents(request, index, begin + request.deadline);
    answer.total_time = std::chrono::duration_cast<microseconds>(Clock::now() - begin);
    if (cacheable) cache_.put(std::move(cache_key), answer);
    return answer;
  }

  IndexDescription description() override { return loop_.index(); }

  std::unique_ptr<GenerationLease> lease() override {
    const std::shared_lock inside(inside_);
    const auto until = Clock::now() + timeout_;
    while (true) {
      const std::string generation = loop_.index().generation;
      if (generation.empty()) {
        throw RetrievalError(RetrievalFault::kUnavailable, "the colony serves no index yet");
      }
      try {
        return leases_->take(
            generation, std::max(std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()),
                                 std::chrono::milliseconds{0}));
      } catch (const RetrievalError&) {
        // Between our view and the head's there may lie a swap; then the next one it is.
        if (Clock::now() >= until || loop_.index().generation == generation) throw;
      }
    }
  }

 private:
  // Passages and vectors from the snapshot on this host where it is open, else from the nodes.
  RetrievalAnswer with_documents(const RetrievalRequest& request, const IndexDescription& index,
                                 Clock::time_point deadline) {
    const bool wanted = request.want_passages || request.want_vectors;
    if (wanted && local_) {
      if (const auto snapshot = local_->find(loop_.local_source(index.generation))) {
        RetrievalRequest bare = request;
        bare.want_passages = bare.want_vectors = bare.float16_vectors = false;
        RetrievalAnswer answer = ask(bare, index, deadline);
        // A swap may have come in between: then the ids are another generation's.
        if (answer.generation == index.generation &&
            snapshot->fill(
                answer, {request.want_passages, request.want_vectors, request.float16_vectors})) {
          return answer;
        }
      }
    }
    return ask(request, index, deadline);
  }

  RetrievalAnswer ask(const RetrievalRequest& request, const IndexDescription& index,
                      Clock::time_point deadline) {
    const bool look_up = !request.ids.empty();
    const std::int32_t k = look_up ? 1 : request.k;
    detail::PoolCall call;
    call.begin = Clock::now();
    call.deadline = deadline;
    const std::string body = wire::encode_query(request, index.dimension);
    call.body.rebuild(body.data(), body.size());
    call.batch = static_cast<std::uint32_t>(batch_of(request, index.dimension));
    call.k = static_cast<std::uint32_t>(k);
    call.priority = request.priority;
    call.trace = request.trace;
    if (trace_ && call.trace == 0) call.trace = base::Trace::new_id();
    call.pinned = request.generation;
    call.shape = {request.want_passages, request.want_vectors, index.dimension};
    call.shape.look_up = look_up;
    call.shape.float16 = request.want_vectors && request.float16_vectors;
    call.work_class = work_class(request, call.batch);
    loop_.run(call);
    if (call.error) throw RetrievalError(*call.error);
    RetrievalAnswer answer = merge_answers(std::move(call.answers), k);
    answer.generation = call.generation;
    answer.attempts = call.attempts;
    answer.hedges = call.hedges;
    return answer;
  }

  std::shared_mutex inside_;  // shared by callers
  bool trace_;
  ResultCache cache_;
  std::optional<LocalDocuments> local_;
  detail::ClientLoop loop_;
  std::shared_ptr<detail::LeaseKeeper> leases_;  // shared: leases know it, weakly
  std::chrono::milliseconds timeout_;
};

}  // namespace

std::unique_ptr<Retriever> open_pool_client(const PoolClientOptions& options) {
  try {
    return std::make_unique<PoolClient>(options);
  } catch (const zmq::error_t& error) {
    throw base::UserError(
        options.head +
        ": expected a head's endpoint such as tcp://127.0.0.1:7071, got: " + error.what());
  }
}

}  // namespace rookery::retriever_pool
