#pragma once

#include <nlohmann/json.hpp>

#include <cstdint>
#include <limits>
#include <string>

#include "base/error.hpp"

namespace rookery::index_tools::detail {

/// Reads members of one JSON object; every complaint names the place and what came instead.
class ObjectReader {
 public:
  using Json = nlohmann::json;
  ObjectReader(const Json& object, std::string where) : object_(object), where_(std::move(where)) {
    if (!object_.is_object()) {
      throw base::UserError(where_ + ": expected an object, got " + shortened(object_));
    }
  }

  [[nodiscard]] std::int64_t integer(const char* key, std::int64_t low, std::int64_t high) const {
    const Json& value = member(key);
    // A number above the signed range would come out negative.
    const bool fits = value.is_number_integer() &&
                      !(value.is_number_unsigned() &&
                        value.get<std::uint64_t>() >
                            static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()));
    if (!fits || value.get<std::int64_t>() < low || value.get<std::int64_t>() > high) {
      fail(key, "an integer in [" + std::to_string(low) + ", " + std::to_string(high) + "]", value);
    }
    return value.get<std::int64_t>();
  }

  [[nodiscard]] std::int32_t small_integer(const char* key, std::int32_t low,
                                           std::int32_t high) const {
    return static_cast<std::int32_t>(integer(key, low, high));
  }

  [[nodiscard]] std::string text(const char* key) const {
    const Json& value = member(key);
    if (!value.is_string()) fail(key, "a string", value);
    return value.get<std::string>();
  }

  [[nodiscard]] std::string hex(const char* key, std::size_t digits) const {
    const Json& value = member(key);
    if (!value.is_string() || !is_hex(value.get<std::string>(), digits)) {
      fail(key, std::to_string(digits) + " lower-case hex digits", value);
    }
    return value.get<std::string>();
  }

  [[nodiscard]] bool truth(const char* key) const {
    const Json& value = member(key);
    if (!value.is_boolean()) fail(key, "true or false", value);
    return value.get<bool>();
  }

  [[nodiscard]] const Json& list(const char* key) const {
    const Json& value = member(key);
    if (!value.is_array()) fail(key, "a list", value);
    return value;
  }

  [[nodiscard]] const Json& member(const char* key) const {
    const auto found = object_.find(key);
    if (found == object_.end()) {
      throw base::UserError(where_ + ": " + key + ": expected this key, found none");
    }
    return *found;
  }

  [[noreturn]] void fail(const char* key, const std::string& expected, const Json& got) const {
    throw base::UserError(where_ + ": " + key + ": expected " + expected + ", got " +
                          shortened(got));
  }

  static bool is_hex(const std::string& text, std::size_t digits) {
    return text.size() == digits && text.find_first_not_of("0123456789abcdef") == std::string::npos;
  }

 private:
  static std::string shortened(const Json& value) {
    std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
    if (text.size() > 60) text = text.substr(0, 57) + "...";
    return text;
  }

  const Json& object_;
  std::string where_;
};

}  // namespace rookery::index_tools::detail
