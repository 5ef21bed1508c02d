#pragma once

#include <chrono>
#include <functional>

namespace rookery::testing {

/// Asks `predicate` again and again, with short pauses, until it is true or `deadline` has passed;
/// the last answer. For what another process or thread does in its own time; the deadline is
/// generous, because it is met only by a failing test.
bool eventually(const std::function<bool()>& predicate,
                std::chrono::milliseconds deadline = std::chrono::seconds(20));

}  // namespace rookery::testing
