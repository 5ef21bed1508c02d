#include "retriever_pool/batch_window.hpp"

#include <algorithm>

namespace rookery::retriever_pool {
namespace {

// A client that was in none of the last scans has gone, or thinks for longer than it is waited for.
constexpr std::size_t kScansRemembered = 4;
// Ranks of one training job come back together after a whole step.
constexpr std::chrono::seconds kActiveFor{10};

}  // namespace

void BatchWindow::scan_began(std::set<std::string> clients, Time now) {
  if (clients.empty()) return;  // pings only
  scans_.push_back({std::move(clients), now});
  if (scans_.size() > kScansRemembered) scans_.pop_front();
}

std::chrono::microseconds BatchWindow::wait(const std::set<std::string>& waiting,
                                            std::chrono::microseconds saved, Time now) const {
  const bool one_is_missing = std::any_of(scans_.begin(), scans_.end(), [&](const Scan& scan) {
    return now - scan.when <= kActiveFor &&
           std::any_of(scan.clients.begin(), scan.clients.end(),
                       [&](const std::string& client) { return !waiting.contains(client); });
  });
  return one_is_missing ? std::min(window_, saved) : std::chrono::microseconds{0};
}

}  // namespace rookery::retriever_pool
