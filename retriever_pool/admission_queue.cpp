#include "retriever_pool/admission_queue.hpp"

#include <algorithm>

namespace rookery::retriever_pool {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr double kAverageShare = 0.2;  // of the newest batch
constexpr milliseconds kRetryMin{1}, kRetryMax{1000};

}  // namespace

std::int64_t PendingRequest::bytes() const { return body.bytes(); }

std::optional<Refusal> AdmissionQueue::admit(PendingRequest request, Time now) {
  if (request.deadline <= now) {
    return Refusal{wire::ErrorCode::kDeadline, "the deadline passed before the request arrived",
                   milliseconds{0}};
  }
  const microseconds wait = expected_wait();
  const auto overloaded = [&](const std::string& why) {
    const auto retry = std::chrono::ceil<milliseconds>(wait);
    return Refusal{wire::ErrorCode::kOverloaded, why, std::clamp(retry, kRetryMin, kRetryMax)};
  };
  if (size() >= limits_.requests_max) {
    return overloaded("the queue holds " + std::to_string(size()) + " requests");
  }
  // An empty queue takes a request of any size that the wire let through.
  if (!waiting_.empty() && bytes_ + request.bytes() > limits_.bytes_max) {
    return overloaded("the queue holds " + std::to_string(bytes_) + " bytes");
  }
  if (!waiting_.empty() && now + wait > request.deadline) {
    return overloaded("the expected wait of " + std::to_string(wait.count()) +
                      " us is longer than the deadline");
  }
  bytes_ += request.bytes();
  queries_ += request.body.batch;
  waiting_.push_back(std::move(request));
  return std::nullopt;
}

AdmissionQueue::Batch AdmissionQueue::take_batch(Time now) {
  Batch batch;
  std::int64_t queries = 0;
  while (!waiting_.empty()) {
    PendingRequest& front = waiting_.front();
    const bool expired = front.deadline <= now;
    if (!expired && !batch.requests.empty() &&
        queries + front.body.batch > limits_.batch_queries_max) {
      break;
    }
    bytes_ -= front.bytes();
    queries_ -= front.body.batch;
    if (!expired) queries += front.body.batch;
    (expired ? batch.expired : batch.requests).push_back(std::move(front));
    waiting_.pop_front();
  }
  return batch;
}

bool AdmissionQueue::cancel(const std::string& client, const wire::RequestId& request) {
  const auto found = std::find_if(waiting_.begin(), waiting_.end(), [&](const PendingRequest& p) {
    return p.header.type == wire::Type::kQuery && p.header.request == request && p.client == client;
  });
  if (found == waiting_.end()) return false;
  bytes_ -= found->bytes();
  queries_ -= found->body.batch;
  waiting_.erase(found);
  return true;
}

void AdmissionQueue::record(microseconds took) {
  const auto us = static_cast<double>(took.count());
  batch_us_ = batch_us_ == 0 ? us : (1 - kAverageShare) * batch_us_ + kAverageShare * us;
}

microseconds AdmissionQueue::expected_wait() const {
  // One batch is being searched, those that wait make the others.
  const auto batches = 1 + queries_ / limits_.batch_queries_max;
  return microseconds(static_cast<std::int64_t>(batch_us_ * static_cast<double>(batches)));
}

}  // namespace rookery::retriever_pool
