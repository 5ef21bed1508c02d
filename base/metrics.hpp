#pragma once

#include <memory>
#include <string>

namespace prometheus {
class Registry;
}

namespace rookery::base {

/// The metrics of one process; `main` owns it and passes it down. Thread-safe.
class Metrics {
 public:
  Metrics();
  ~Metrics();
  [[nodiscard]] prometheus::Registry& registry();
  /// All metrics in Prometheus' text format 0.0.4.
  [[nodiscard]] std::string text() const;

 private:
  std::shared_ptr<prometheus::Registry> registry_;
};

}  // namespace rookery::base
