#include "index_tools/detail/json_line.hpp"

#include "base/error.hpp"

#include <nlohmann/json.hpp>

namespace rookery::index_tools::detail {

using Json = nlohmann::json;

struct JsonLine::Impl {
  [[nodiscard]] const Json* find(const char* key) const {
    const auto found = object.find(key);
    return found == object.end() ? nullptr : &*found;
  }
  Json object;
  std::string where;
};

JsonLine::JsonLine(std::string_view line, std::string where) : impl_(std::make_unique<Impl>()) {
  impl_->where = std::move(where);
  try {
    impl_->object = Json::parse(line);
  } catch (const Json::parse_error& error) {
    throw base::UserError(impl_->where + "expected a JSON object, got text that breaks off or is " +
                          "no JSON in column " + std::to_string(error.byte));
  } catch (const Json::exception&) {  // a number out of range
    throw base::UserError(impl_->where + "expected a JSON object, got a number out of range");
  }
  if (!impl_->object.is_object()) {
    throw base::UserError(impl_->where + "expected a JSON object, got " +
                          impl_->object.type_name());
  }
}

JsonLine::~JsonLine() = default;

void JsonLine::fail(const char* key, const std::string& expected) const {
  const Json* value = impl_->find(key);
  throw base::UserError(impl_->where + key + ": expected " + expected + ", got " +
                        (value == nullptr ? "none" : value->dump().substr(0, 60)));
}

std::string JsonLine::text(const char* key) const {
  const Json* value = impl_->find(key);
  if (value == nullptr || !value->is_string()) fail(key, "a string");
  return value->get<std::string>();
}

std::string JsonLine::text_or_empty(const char* key) const {
  const Json* value = impl_->find(key);
  if (value == nullptr || value->is_null()) return "";
  if (!value->is_string()) fail(key, "a string");
  return value->get<std::string>();
}

std::string JsonLine::id(const char* key) const {
  const Json* value = impl_->find(key);
  if (value == nullptr) return "";
  if (value->is_number_integer()) return value->dump();
  if (!value->is_string() || value->get_ref<const std::string&>().empty()) {
    fail(key, "a string that is not empty, or an integer");
  }
  return value->get<std::string>();
}

std::vector<std::string> JsonLine::texts(const char* key) const {
  const Json* value = impl_->find(key);
  if (value == nullptr) return {};
  if (!value->is_array()) fail(key, "a list of strings");
  std::vector<std::string> texts;
  for (const Json& item : *value) {
    if (!item.is_string()) fail(key, "a list of strings");
    texts.push_back(item.get<std::string>());
  }
  return texts;
}

}  // namespace rookery::index_tools::detail
