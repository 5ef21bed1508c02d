#include "serving/answer_worker.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/log.hpp"

namespace rookery::serving {

AnswerWorker::AnswerWorker(Answerer& answerer, std::int32_t queue_requests_max,
                           ServingMetrics& metrics)
    : answerer_(answerer),
      queue_requests_max_(static_cast<std::size_t>(std::max(queue_requests_max, 1))),
      metrics_(metrics),
      thread_([this] { run(); }) {}

AnswerWorker::~AnswerWorker() {
  std::deque<std::shared_ptr<Ticket>> left;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    left.swap(queue_);
    if (running_ != nullptr) running_->cancel();
    changed_.notify_all();
  }
  for (const std::shared_ptr<Ticket>& ticket : left) {
    ticket->fail(std::make_exception_ptr(WorkerStopping()));
  }
  thread_.join();
}

std::shared_ptr<Ticket> AnswerWorker::submit(Question question) {
  const std::lock_guard lock(mutex_);
  if (stopping_ || queue_.size() >= queue_requests_max_) {
    metrics_.refused();
    return nullptr;
  }
  auto ticket = std::make_shared<Ticket>(std::move(question));
  queue_.push_back(ticket);
  metrics_.waiting(static_cast<std::int64_t>(queue_.size()));
  changed_.notify_all();
  return ticket;
}

void AnswerWorker::cancel(const std::shared_ptr<Ticket>& ticket) {
  const std::lock_guard lock(mutex_);
  ticket->cancel();
  std::erase(queue_, ticket);
  metrics_.waiting(static_cast<std::int64_t>(queue_.size()));
}

std::int64_t AnswerWorker::retry_after_s() const {
  const std::lock_guard lock(mutex_);
  const double before = static_cast<double>(queue_.size() + (running_ != nullptr ? 1 : 0));
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(std::ceil(mean_seconds_ * before)));
}

std::int64_t AnswerWorker::waiting() const {
  const std::lock_guard lock(mutex_);
  return static_cast<std::int64_t>(queue_.size());
}

void AnswerWorker::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
    if (stopping_) return;
    running_ = queue_.front();
    queue_.pop_front();
    metrics_.waiting(static_cast<std::int64_t>(queue_.size()));
    const std::shared_ptr<Ticket> ticket = running_;
    lock.unlock();
    answer(*ticket);
    lock.lock();
    running_.reset();
  }
}

void AnswerWorker::answer(Ticket& ticket) {
  AnswerSink sink;
  sink.text = [&](std::string_view text) { ticket.add_text(text); };
  sink.cancelled = [&] { return ticket.cancelled(); };
  try {
    Answer answer = answerer_.answer(ticket.question(), sink);
    metrics_.answered(answer);
    {
      const std::lock_guard lock(mutex_);
      mean_seconds_ = 0.8 * mean_seconds_ + 0.2 * answer.times.seconds;
    }
    ticket.finish(std::move(answer));
  } catch (const std::exception& error) {
    metrics_.failed();
    base::logger("serving")->warn("a request failed: {}", error.what());
    ticket.fail(std::current_exception());
  }
}

}  // namespace rookery::serving
