#include "base/observer_pages.hpp"

#include <memory>
#include <utility>

#include "base/process_metrics.hpp"

namespace rookery::base {

HttpHandler make_observer_pages(Metrics& metrics, const std::string& role,
                                std::function<Readiness()> readiness) {
  // shared_ptr: a std::function is copied.
  auto process = std::make_shared<ProcessMetrics>(metrics, role);
  return [&metrics, process = std::move(process), readiness = std::move(readiness)](
             const HttpRequest& request, HttpReply& reply) {
    constexpr auto kText = "text/plain; charset=utf-8";
    if (request.method != "GET" && request.method != "HEAD") {
      reply.respond(405, kText, "this page is read with GET\n");
    } else if (request.path == "/healthz") {
      reply.respond(200, kText, "ok\n");
    } else if (request.path == "/readyz") {
      const auto now = readiness();
      reply.respond(now.ready ? 200 : 503, kText, now.text + "\n");
    } else if (request.path == "/metrics") {
      process->update();
      reply.respond(200, "text/plain; version=0.0.4; charset=utf-8", metrics.text());
    } else {
      reply.respond(404, kText, "no such page; there are /healthz, /readyz, /metrics\n");
    }
  };
}

}  // namespace rookery::base
