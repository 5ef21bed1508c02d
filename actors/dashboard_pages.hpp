#pragma once

#include <string_view>

#include "base/http_server.hpp"

namespace rookery::actors {

/// Answers `/` and `/dashboard/…`: the head's web page, which is compiled in. False for other
/// paths, and nothing is answered. The page reads `/v1/status`, `/v1/history` and `/v1/events`, and
/// sends
/// `/v1/actions/…`.
bool answer_dashboard(const base::HttpRequest& request, base::HttpReply& reply);

}  // namespace rookery::actors
