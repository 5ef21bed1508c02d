#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "serving/answerer.hpp"
#include "serving/serving_metrics.hpp"
#include "serving/ticket.hpp"

namespace rookery::serving {

/// The worker is stopping and will not answer this.
struct WorkerStopping : std::runtime_error {
  WorkerStopping() : std::runtime_error("the server is stopping") {}
};

/// Answers one question after the other on a thread of its own; further ones wait in a bounded
/// queue. Any thread may call.
class AnswerWorker {
 public:
  /// `answerer` and `metrics` outlive the worker; `queue_requests_max` >= 1 may wait.
  AnswerWorker(Answerer& answerer, std::int32_t queue_requests_max, ServingMetrics& metrics);
  /// Cancels the running answer, fails the waiting ones with `WorkerStopping`, joins.
  ~AnswerWorker();
  AnswerWorker(const AnswerWorker&) = delete;
  AnswerWorker& operator=(const AnswerWorker&) = delete;

  /// Null when the queue is full.
  [[nodiscard]] std::shared_ptr<Ticket> submit(Question question);
  /// Gives a ticket up: a waiting one leaves the queue at once, a running one ends at its next
  /// step.
  void cancel(const std::shared_ptr<Ticket>& ticket);
  /// When a refused client may try again, in whole seconds: what lies before it, by the mean of the
  /// last answers; at least 1.
  [[nodiscard]] std::int64_t retry_after_s() const;
  [[nodiscard]] std::int64_t waiting() const;

 private:
  void run();
  void answer(Ticket& ticket);

  Answerer& answerer_;
  const std::size_t queue_requests_max_;
  ServingMetrics& metrics_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::shared_ptr<Ticket>> queue_;
  std::shared_ptr<Ticket> running_;
  double mean_seconds_ = 1;  ///< of an answer, newer ones weigh more
  bool stopping_ = false;
  std::thread thread_;  ///< last: starts when all else is there
};

}  // namespace rookery::serving
