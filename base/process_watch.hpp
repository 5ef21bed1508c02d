#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "base/http_server.hpp"
#include "base/metrics.hpp"
#include "base/observer_pages.hpp"
#include "base/trace.hpp"

namespace rookery::base {

struct ProcessWatchOptions {
  std::string http = "127.0.0.1:0";  ///< HOST:PORT of the pages; empty: none
  std::filesystem::path trace = {};  ///< file; empty: nothing is traced
  TlsFiles tls = {};                 ///< of the pages
};

/// What is seen of a process from outside: its pages (`make_observer_pages`) and its trace file.
/// Thread-safe.
class ProcessWatch {
 public:
  /// `role`: "node", "agent", …; `name` is what the trace shows. `metrics` outlives this. Not ready
  /// at first. Throws `UserError` for an address in use or a trace file that cannot be written.
  ProcessWatch(const ProcessWatchOptions& options, const std::string& role, const std::string& name,
               Metrics& metrics);
  ~ProcessWatch();
  /// What `/readyz` says from now on.
  void set_readiness(Readiness now);
  [[nodiscard]] std::string http() const;  ///< "127.0.0.1:40123"; empty without pages
  [[nodiscard]] Trace* trace() const;      ///< null when nothing is traced

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rookery::base
