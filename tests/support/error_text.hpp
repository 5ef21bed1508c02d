#pragma once

#include "base/error.hpp"

#include <functional>
#include <string>

namespace rookery::testing {

/// The message of the `UserError` that `action` throws; "(no error)" when it throws none.
inline std::string error_text(const std::function<void()>& action) {
  try {
    action();
  } catch (const base::UserError& error) {
    return error.what();
  }
  return "(no error)";
}

}  // namespace rookery::testing
