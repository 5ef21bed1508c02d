#include "actors/dashboard_pages.hpp"

#include "actors/detail/dashboard_files.hpp"

namespace rookery::actors {

bool answer_dashboard(const base::HttpRequest& request, base::HttpReply& reply) {
  std::string_view path = request.path;
  if (path == "/") path = "/dashboard/index.html";
  for (const auto& file : detail::dashboard_files()) {
    if (path != file.path) continue;
    reply.respond(200, file.content_type, file.content);
    return true;
  }
  return false;
}

}  // namespace rookery::actors
