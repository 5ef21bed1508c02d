#include "serving/api_error.hpp"

#include <nlohmann/json.hpp>

namespace rookery::serving {

std::string ApiError::to_json() const {
  const auto or_null = [](const std::string& text) {
    return text.empty() ? nlohmann::json() : nlohmann::json(text);
  };
  nlohmann::json error = {
      {"message", what()}, {"type", type}, {"param", or_null(param)}, {"code", or_null(code)}};
  if (retry_after_s > 0) error["retry_after_s"] = retry_after_s;
  return nlohmann::json{{"error", error}}.dump(-1, ' ', false,
                                               nlohmann::json::error_handler_t::replace);
}

ApiError invalid_request(const std::string& param, const std::string& message) {
  return {400, "invalid_request_error", param, message};
}

}  // namespace rookery::serving
