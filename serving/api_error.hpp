#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>

namespace rookery::serving {

/// A request that the HTTP API refuses or cannot serve, in the shape of OpenAI's errors.
struct ApiError : std::runtime_error {
  ApiError(int http_status, std::string error_type, std::string parameter,
           const std::string& message)
      : std::runtime_error(message),
        status(http_status),
        type(std::move(error_type)),
        param(std::move(parameter)) {}
  /// `{"error": {"message", "type", "param", "code"}}`, and `retry_after_s` where it is known.
  [[nodiscard]] std::string to_json() const;

  int status;         ///< 4xx or 5xx
  std::string type;   ///< "invalid_request_error", "server_error", …
  std::string param;  ///< the field at fault; empty: null
  std::string code;   ///< "model_not_found", …; empty: null
  std::int64_t retry_after_s = 0;
};

/// A field of the request is not as it must be: status 400.
[[nodiscard]] ApiError invalid_request(const std::string& param, const std::string& message);

}  // namespace rookery::serving
