#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "serving/answerer.hpp"
#include "serving/completion_request.hpp"

namespace rookery::serving {

/// Writes answers in the format of OpenAI's API, whole or as chunks of a stream. Every answer also
/// has `passages` (`id`, `title`, `source_id` of what it was written from, in order of first use)
/// and `rookery` (`generation` of the index, calls, hits, where the time went).
class CompletionFormat {
 public:
  /// `id` is unique for the process; `created` in Unix seconds.
  CompletionFormat(CompletionKind kind, std::string id, std::string model, std::int64_t created);
  /// The whole answer as one JSON object.
  [[nodiscard]] std::string whole(const Answer& answer) const;
  /// One `data: {…}` event with a blank line behind it.
  [[nodiscard]] std::string opening() const;  ///< the chat's role; empty for texts
  [[nodiscard]] std::string piece(std::string_view text) const;
  [[nodiscard]] std::string closing(const Answer& answer) const;  ///< finish reason and passages
  [[nodiscard]] std::string usage(const Answer& answer) const;    ///< no choices, only usage

 private:
  CompletionKind kind_;
  std::string id_, model_;
  std::int64_t created_;
};

/// `data: …` and a blank line: one server-sent event.
std::string server_sent_event(std::string_view data);

}  // namespace rookery::serving
