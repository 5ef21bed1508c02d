#include "serving/ticket.hpp"

#include <utility>

namespace rookery::serving {

Ticket::Event Ticket::next(std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, timeout, [&] { return !text_.empty() || end_ != Kind::kNothing; });
  if (!text_.empty()) return {Kind::kText, std::exchange(text_, {})};
  return {end_, {}};
}

void Ticket::add_text(std::string_view text) {
  const std::lock_guard lock(mutex_);
  text_ += text;
  changed_.notify_all();
}

void Ticket::finish(Answer answer) {
  const std::lock_guard lock(mutex_);
  answer_ = std::move(answer);
  end_ = Kind::kDone;
  changed_.notify_all();
}

void Ticket::fail(std::exception_ptr error) {
  const std::lock_guard lock(mutex_);
  error_ = std::move(error);
  end_ = Kind::kFailed;
  changed_.notify_all();
}

}  // namespace rookery::serving
