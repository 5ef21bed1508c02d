#pragma once

#include "actors/admin_desk.hpp"
#include "actors/admin_token.hpp"
#include "base/http_server.hpp"

namespace rookery::actors {

/// Answers `POST /v1/actions/ACTION` and leaves everything else to `pages`. The body is a JSON
/// object with the fields of `AdminRequest` (none of them is needed by all actions, an unknown one
/// is refused), the answer `{"text": …}` with the desk's status; 401 without the right `Bearer`
/// token, 429 after many wrong ones.
base::HttpHandler with_admin_actions(AdminDesk desk, AdminToken token, base::HttpHandler pages);

/// The request that a body asks for. Throws `std::invalid_argument` with a sentence for the sender.
AdminRequest admin_request(const std::string& action, const std::string& body);
/// The body that asks for it.
std::string admin_body(const AdminRequest& request);

}  // namespace rookery::actors
