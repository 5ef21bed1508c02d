#pragma once

#include <functional>
#include <string>

#include "base/http_server.hpp"
#include "base/metrics.hpp"

namespace rookery::base {

struct Readiness {
  bool ready = false;
  std::string text;  ///< one sentence for people
};

/// The pages that every process shows to those who watch it: `/healthz` (it lives), `/readyz` (503
/// until `readiness` says ready) and `/metrics` (Prometheus text, with `ProcessMetrics` of `role`).
/// GET only. `metrics` outlives the handler; `readiness` is called from any thread.
HttpHandler make_observer_pages(Metrics& metrics, const std::string& role,
                                std::function<Readiness()> readiness);

}  // namespace rookery::base
