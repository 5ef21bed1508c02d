#include "actors/admin_client.hpp"

#include <chrono>
#include <nlohmann/json.hpp>

#include "actors/admin_actions.hpp"
#include "actors/admin_token.hpp"
#include "base/error.hpp"
#include "base/http_server.hpp"

namespace rookery::actors {

AdminReply send_admin_request(const ColonyFolder& folder, const AdminRequest& request) {
  const auto head = folder.running_head();
  base::HttpRequest http;
  http.method = "POST";
  http.path = "/v1/actions/" + request.action;
  http.content_type = "application/json";
  http.body = admin_body(request);
  http.authorization = AdminToken::load_or_create(folder.path()).authorization();
  const auto answer = base::http_request(head.http, http, std::chrono::seconds(10), head.tls());
  const auto json = nlohmann::json::parse(answer.body, nullptr, false);
  const auto text = json.is_object() && json.contains("text") && json["text"].is_string()
                        ? json["text"].get<std::string>()
                        : "HTTP status " + std::to_string(answer.status);
  if (answer.status != 200 && answer.status != 202) {
    throw base::UserError(request.action + ": " + text);
  }
  return {answer.status, text};
}

}  // namespace rookery::actors
