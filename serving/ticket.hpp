#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <string>

#include "serving/answerer.hpp"

namespace rookery::serving {

/// One question on its way through the worker, shared by the thread that asked and the worker's.
/// Nothing in it waits for the asker, so a slow client never holds the worker up; what piles up is
/// bounded by the answer's length.
class Ticket {
 public:
  enum class Kind {
    kNothing,  ///< nothing new within the time
    kText,     ///< `text` is verified and follows what came before
    kDone,     ///< `answer` is whole; the last event
    kFailed,   ///< `error` says why; the last event
  };
  struct Event {
    Kind kind = Kind::kNothing;
    std::string text;
  };

  explicit Ticket(Question question) : question_(std::move(question)) {}

  // The asker's side.
  /// Waits at most `timeout` for the next event. After the last one it is given again.
  [[nodiscard]] Event next(std::chrono::milliseconds timeout);
  /// After kDone.
  [[nodiscard]] const Answer& answer() const { return answer_; }
  /// After kFailed.
  [[nodiscard]] std::exception_ptr error() const { return error_; }
  /// The answer is not wanted any more; the worker ends it at its next step.
  void cancel() { cancelled_ = true; }

  // The worker's side.
  [[nodiscard]] const Question& question() const { return question_; }
  [[nodiscard]] bool cancelled() const { return cancelled_; }
  void add_text(std::string_view text);
  void finish(Answer answer);
  void fail(std::exception_ptr error);

 private:
  const Question question_;
  std::atomic<bool> cancelled_ = false;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string text_;  ///< not yet taken
  Kind end_ = Kind::kNothing;
  Answer answer_;
  std::exception_ptr error_;
};

}  // namespace rookery::serving
