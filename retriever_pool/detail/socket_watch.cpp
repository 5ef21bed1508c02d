#include "retriever_pool/detail/socket_watch.hpp"

#include <algorithm>
#include <ctime>

namespace rookery::retriever_pool::detail {

using std::chrono::nanoseconds;

void SocketWatch::add_descriptors(const Link& link) {
  for (const int descriptor : link.descriptors()) entries_.push_back({descriptor, POLLIN, 0});
}

void SocketWatch::add(const Link& head) {
  head_at_ = entries_.size();
  add_descriptors(head);
}

void SocketWatch::add(const Link& link, Replica number) {
  replicas_.push_back({number, entries_.size()});
  add_descriptors(link);
}

bool SocketWatch::wait(std::chrono::steady_clock::time_point until) {
  constexpr nanoseconds kLongest = std::chrono::hours(1);  // nothing may be due at all
  const auto now = std::chrono::steady_clock::now();
  const nanoseconds left =
      until > now + kLongest ? kLongest : std::max(nanoseconds(until - now), nanoseconds{0});
  const auto seconds = std::chrono::floor<std::chrono::seconds>(left);
  const timespec timeout{seconds.count(), (left - seconds).count()};
  if (::ppoll(entries_.data(), entries_.size(), &timeout, nullptr) <= 0) {
    for (pollfd& entry : entries_) entry.revents = 0;  // a signal leaves them as they were
  }
  return entries_.front().revents != 0;
}

std::vector<SocketWatch::Replica> SocketWatch::ready() const {
  std::vector<Replica> ready;
  for (const auto& [number, at] : replicas_) {
    if (readable(at)) ready.push_back(number);
  }
  return ready;
}

}  // namespace rookery::retriever_pool::detail
