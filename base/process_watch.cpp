#include "base/process_watch.hpp"

#include <mutex>
#include <optional>
#include <utility>

namespace rookery::base {

struct ProcessWatch::Impl {
  mutable std::mutex mutex;  // guards readiness
  Readiness readiness{false, "starting"};
  std::optional<Trace> trace;
  std::optional<HttpServer> server;  // last: its threads use what stands above
};

ProcessWatch::ProcessWatch(const ProcessWatchOptions& options, const std::string& role,
                           const std::string& name, Metrics& metrics)
    : impl_(std::make_unique<Impl>()) {
  if (!options.trace.empty()) impl_->trace.emplace(options.trace, name);
  if (options.http.empty()) return;
  HttpServerOptions server;
  server.listen = options.http;
  server.connections_max = 16;
  server.tls = options.tls;
  impl_->server.emplace(server, make_observer_pages(metrics, role, [impl = impl_.get()] {
                          const std::lock_guard lock(impl->mutex);
                          return impl->readiness;
                        }));
}

ProcessWatch::~ProcessWatch() = default;

void ProcessWatch::set_readiness(Readiness now) {
  const std::lock_guard lock(impl_->mutex);
  impl_->readiness = std::move(now);
}

std::string ProcessWatch::http() const { return impl_->server ? impl_->server->address() : ""; }

Trace* ProcessWatch::trace() const { return impl_->trace ? &*impl_->trace : nullptr; }

}  // namespace rookery::base
