#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "base/http_server.hpp"
#include "base/metrics.hpp"
#include "serving/answer_worker.hpp"
#include "serving/answerer.hpp"
#include "serving/api_error.hpp"
#include "serving/completion_request.hpp"

namespace rookery::serving {

struct CompletionsApiOptions {
  std::string model = "smollm2-135m";          ///< the name that clients must give
  std::int32_t max_new_tokens = 128;           ///< without a limit of the request's own
  std::int32_t queue_requests_max = 16;        ///< waiting; further ones get 503 with `Retry-After`
  std::chrono::milliseconds client_poll{100};  ///< how soon a client's departure is noticed
};

/// `POST /v1/completions`, `POST /v1/chat/completions`, `GET /v1/models`, `/healthz`, `/metrics`:
/// the format that clients of OpenAI's API speak. One answer at a time, the others wait in a
/// bounded queue. Streams carry verified text only; a client that leaves cancels its request.
class CompletionsApi {
 public:
  /// `answerer` and `metrics` outlive this.
  CompletionsApi(Answerer& answerer, CompletionsApiOptions options, base::Metrics& metrics);
  /// Serves one request; for `base::HttpServer`, from any number of threads.
  void handle(const base::HttpRequest& request, base::HttpReply& reply);

 private:
  void complete(CompletionKind kind, const base::HttpRequest& request, base::HttpReply& reply);
  void deliver(const CompletionRequest& request, const std::shared_ptr<Ticket>& ticket,
               base::HttpReply& reply);
  void refuse(const ApiError& error, base::HttpReply& reply);

  Answerer& answerer_;
  const CompletionsApiOptions options_;
  base::Metrics& metrics_;
  const std::int64_t started_;  ///< Unix seconds
  std::atomic<std::int64_t> served_ = 0;
  ServingMetrics counters_;
  AnswerWorker worker_;  ///< last: its thread uses the counters
};

}  // namespace rookery::serving
