#pragma once

#include <stdexcept>

namespace rookery::base {

/// A mistake in what the user gave us: a file, an option, an argument. The message says where, what
/// was expected and what came; `launch` prints it once and exits with 2.
struct UserError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace rookery::base
