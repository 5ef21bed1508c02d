#include "serving/completion_request.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>

#include "serving/api_error.hpp"

namespace rookery::serving {
namespace {

using Json = nlohmann::json;

constexpr std::array<std::string_view, 5> kHarmless = {"seed", "top_p", "user", "metadata",
                                                       "store"};

/// What came, short enough for a message.
std::string shown(const Json& value) {
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  return text;
}

[[noreturn]] void refuse(const std::string& param, const std::string& expected, const Json& value) {
  throw invalid_request(param, param + ": expected " + expected + ", got " + shown(value));
}

/// Reads one field after the other and remembers which; `null` counts as absent.
class Body {
 public:
  explicit Body(std::string_view text) : json_(Json::parse(text, nullptr, false)) {
    if (json_.is_discarded()) throw invalid_request("", "the body is not valid JSON");
    if (!json_.is_object()) {
      throw invalid_request("", "the body: expected a JSON object, got " + shown(json_));
    }
  }
  const Json* take(const std::string& key) {
    known_.push_back(key);
    const auto found = json_.find(key);
    return found == json_.end() || found->is_null() ? nullptr : &*found;
  }
  bool flag(const std::string& key) {
    const Json* value = take(key);
    if (value == nullptr) return false;
    if (!value->is_boolean()) refuse(key, "true or false", *value);
    return value->get<bool>();
  }
  std::optional<std::int32_t> count(const std::string& key, std::int64_t high) {
    const Json* value = take(key);
    if (value == nullptr) return std::nullopt;
    const std::string expected = "an integer in [1, " + std::to_string(high) + "]";
    if (!value->is_number_integer()) refuse(key, expected, *value);
    // Unsigned values beyond the signed range would wrap.
    const bool huge = value->is_number_unsigned() &&
                      value->get<std::uint64_t>() > static_cast<std::uint64_t>(high);
    if (huge || value->get<std::int64_t>() < 1 || value->get<std::int64_t>() > high) {
      refuse(key, expected, *value);
    }
    return static_cast<std::int32_t>(value->get<std::int64_t>());
  }
  /// Only the value that changes nothing is accepted.
  void only(const std::string& key, double value, const std::string& why) {
    const Json* found = take(key);
    if (found == nullptr) return;
    if (!found->is_number()) refuse(key, "a number", *found);
    if (found->get<double>() != value) {
      throw invalid_request(key, key + ": " + why + ", got " + shown(*found));
    }
  }
  void refuse_others() {
    for (const auto& [key, value] : json_.items()) {
      const bool off = value.is_null() || (value.is_boolean() && !value.get<bool>());
      const bool fine = std::find(known_.begin(), known_.end(), key) != known_.end() ||
                        std::find(kHarmless.begin(), kHarmless.end(), key) != kHarmless.end();
      if (!fine && !off) throw invalid_request(key, key + ": this server does not support it");
    }
  }

 private:
  Json json_;
  std::vector<std::string> known_;
};

std::string read_prompt(const Json* value) {
  if (value == nullptr) throw invalid_request("prompt", "prompt: expected some text, got none");
  const Json* text = value;
  if (value->is_array() && value->size() == 1) text = &value->front();
  if (!text->is_string()) refuse("prompt", "one text", *value);
  if (text->get_ref<const std::string&>().empty()) {
    throw invalid_request("prompt", "prompt: expected some text, got an empty one");
  }
  return text->get<std::string>();
}

/// A message's content: a text, or a list of text parts.
std::string read_content(const std::string& where, const Json& message) {
  const auto found = message.find("content");
  if (found == message.end()) throw invalid_request(where, where + ".content is missing");
  if (found->is_string()) return found->get<std::string>();
  if (!found->is_array()) refuse(where + ".content", "a text", *found);
  std::string text;
  for (const Json& part : *found) {
    const bool is_text = part.is_object() && part.contains("type") && part["type"] == "text" &&
                         part.contains("text") && part["text"].is_string();
    if (!is_text) refuse(where + ".content", "text parts only", part);
    text += part["text"].get<std::string>();
  }
  return text;
}

std::vector<text::ChatMessage> read_messages(const Json* value) {
  if (value == nullptr) throw invalid_request("messages", "messages: expected a list, got none");
  if (!value->is_array() || value->empty()) {
    refuse("messages", "a list of at least one message", *value);
  }
  std::vector<text::ChatMessage> messages;
  for (std::size_t i = 0; i < value->size(); ++i) {
    const Json& message = (*value)[i];
    const std::string where = "messages[" + std::to_string(i) + "]";
    if (!message.is_object()) refuse(where, "an object with role and content", message);
    const auto role = message.find("role");
    const bool known = role != message.end() && role->is_string() &&
                       (*role == "system" || *role == "user" || *role == "assistant");
    if (!known) {
      refuse(where + ".role", "system, user or assistant", role == message.end() ? Json() : *role);
    }
    messages.push_back({role->get<std::string>(), read_content(where, message)});
  }
  if (messages.back().role != "user") {
    throw invalid_request("messages", "messages: the last one must be the user's, got role '" +
                                          messages.back().role + "'");
  }
  if (messages.back().content.empty()) {
    throw invalid_request("messages", "messages: expected some text in the last one, got none");
  }
  return messages;
}

}  // namespace

CompletionRequest parse_completion(CompletionKind kind, std::string_view text,
                                   const CompletionDefaults& defaults) {
  Body body(text);
  CompletionRequest request;
  request.kind = kind;
  const Json* model = body.take("model");
  if (model == nullptr) {
    throw invalid_request("model", "model: expected '" + defaults.model + "', got none");
  }
  if (!model->is_string()) refuse("model", "a name", *model);
  if (*model != defaults.model) {
    ApiError error(
        404, "invalid_request_error", "model",
        "model: expected '" + defaults.model + "', which is served here, got " + shown(*model));
    error.code = "model_not_found";
    throw error;
  }
  if (kind == CompletionKind::kText) {
    request.question.text = read_prompt(body.take("prompt"));
  } else {
    request.question.messages = read_messages(body.take("messages"));
  }
  request.stream = body.flag("stream");
  request.question.stream = request.stream;
  if (const Json* options = body.take("stream_options")) {
    if (!options->is_object()) refuse("stream_options", "an object", *options);
    const auto usage = options->find("include_usage");
    if (usage != options->end()) {
      if (!usage->is_boolean()) refuse("stream_options.include_usage", "true or false", *usage);
      request.stream_usage = usage->get<bool>();
    }
  }
  std::optional<std::int32_t> limit = body.count("max_tokens", defaults.max_tokens_max);
  if (kind == CompletionKind::kChat) {
    const auto newer = body.count("max_completion_tokens", defaults.max_tokens_max);
    if (newer) limit = newer;
  }
  request.question.max_new_tokens = limit.value_or(defaults.max_new_tokens);
  body.only("temperature", 0, "only greedy decoding is offered: send 0 or leave it out");
  body.only("n", 1, "only one answer a request is offered: send 1 or leave it out");
  body.only("best_of", 1, "only one answer a request is offered: send 1 or leave it out");
  body.only("presence_penalty", 0, "not supported: send 0 or leave it out");
  body.only("frequency_penalty", 0, "not supported: send 0 or leave it out");
  body.refuse_others();
  return request;
}

}  // namespace rookery::serving
