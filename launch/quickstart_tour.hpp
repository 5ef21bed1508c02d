#pragma once

#include <filesystem>

#include "base/stop_signal.hpp"

namespace rookery::launch {

struct QuickstartOptions {
  std::filesystem::path configs = "configs";  ///< folder with wiki.yaml and smoke.yaml
  std::filesystem::path report;               ///< JSON file for all figures; empty: none
  bool smoke = false;                         ///< the same stages over 1,000 passages
  bool keep = false;                          ///< leave the colony running
};

/// The newcomer's tour in six stages, each the commands a user would type. Stops everything it
/// started, also on Ctrl-C (then 130). Returns the exit code; a failed promise (a lost query,
/// differing tokens) is 1. Throws `UserError` as the commands do.
int run_quickstart(const QuickstartOptions& options, const base::StopSignal& stop);

}  // namespace rookery::launch
