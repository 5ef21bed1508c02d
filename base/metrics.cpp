#include "base/metrics.hpp"

#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <sstream>

namespace rookery::base {

Metrics::Metrics() : registry_(std::make_shared<prometheus::Registry>()) {}
Metrics::~Metrics() = default;

prometheus::Registry& Metrics::registry() { return *registry_; }

std::string Metrics::text() const {
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, registry_->Collect());
  return out.str();
}

}  // namespace rookery::base
