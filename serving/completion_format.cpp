#include "serving/completion_format.hpp"

#include <nlohmann/json.hpp>
#include <utility>

#include "serving/detail/answer_json.hpp"

namespace rookery::serving {
namespace {

using Json = nlohmann::ordered_json;

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json usage_of(const Answer& answer) {
  const auto completion = static_cast<std::int64_t>(answer.tokens.size());
  return {{"prompt_tokens", answer.prompt_tokens},
          {"completion_tokens", completion},
          {"total_tokens", answer.prompt_tokens + completion}};
}

Json details_of(const Answer& answer) {
  return {{"generation", answer.generation},
          {"retrieval_calls", answer.counts.calls},
          {"retrieval_queries", answer.counts.queries},
          {"speculation_checked", answer.counts.checked},
          {"speculation_hits", answer.counts.hits},
          {"seconds", answer.times.seconds},
          {"generation_s", answer.times.generation_s},
          {"encoding_s", answer.times.encoding_s},
          {"retrieval_s", answer.times.retrieval_s}};
}

/// What all objects of one kind begin with.
Json head_of(const std::string& id, const char* object, std::int64_t created,
             const std::string& model) {
  return {{"id", id}, {"object", object}, {"created", created}, {"model", model}};
}

Json choice_of(const char* name, Json value, const Json& finish) {
  Json choice = {{"index", 0}};
  choice[name] = std::move(value);
  choice["logprobs"] = nullptr;
  choice["finish_reason"] = finish;
  return Json::array({choice});
}

}  // namespace

CompletionFormat::CompletionFormat(CompletionKind kind, std::string id, std::string model,
                                   std::int64_t created)
    : kind_(kind), id_(std::move(id)), model_(std::move(model)), created_(created) {}

std::string CompletionFormat::whole(const Answer& answer) const {
  const bool chat = kind_ == CompletionKind::kChat;
  Json json = head_of(id_, chat ? "chat.completion" : "text_completion", created_, model_);
  const std::string finish = to_string(answer.finish);
  json["choices"] =
      chat ? choice_of("message", {{"role", "assistant"}, {"content", answer.text}}, finish)
           : choice_of("text", answer.text, finish);
  json["usage"] = usage_of(answer);
  json["passages"] = detail::passages_of(answer);
  json["rookery"] = details_of(answer);
  return dump(json);
}

std::string CompletionFormat::opening() const {
  if (kind_ == CompletionKind::kText) return {};
  Json json = head_of(id_, "chat.completion.chunk", created_, model_);
  json["choices"] = choice_of("delta", {{"role", "assistant"}, {"content", ""}}, nullptr);
  return server_sent_event(dump(json));
}

std::string CompletionFormat::piece(std::string_view text) const {
  const bool chat = kind_ == CompletionKind::kChat;
  Json json = head_of(id_, chat ? "chat.completion.chunk" : "text_completion", created_, model_);
  json["choices"] = chat ? choice_of("delta", {{"content", std::string(text)}}, nullptr)
                         : choice_of("text", std::string(text), nullptr);
  return server_sent_event(dump(json));
}

std::string CompletionFormat::closing(const Answer& answer) const {
  const bool chat = kind_ == CompletionKind::kChat;
  Json json = head_of(id_, chat ? "chat.completion.chunk" : "text_completion", created_, model_);
  const std::string finish = to_string(answer.finish);
  json["choices"] =
      chat ? choice_of("delta", Json::object(), finish) : choice_of("text", "", finish);
  json["passages"] = detail::passages_of(answer);
  json["rookery"] = details_of(answer);
  return server_sent_event(dump(json));
}

std::string CompletionFormat::usage(const Answer& answer) const {
  const bool chat = kind_ == CompletionKind::kChat;
  Json json = head_of(id_, chat ? "chat.completion.chunk" : "text_completion", created_, model_);
  json["choices"] = Json::array();
  json["usage"] = usage_of(answer);
  return server_sent_event(dump(json));
}

std::string server_sent_event(std::string_view data) {
  return "data: " + std::string(data) + "\n\n";
}

}  // namespace rookery::serving
