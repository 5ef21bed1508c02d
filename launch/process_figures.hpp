#pragma once

#include <sys/types.h>

#include <optional>
#include <vector>

namespace rookery::launch {

/// Proportional set size of a process in bytes (`/proc/PID/smaps_rollup`): pages that n processes
/// share count 1/n. Nothing when it cannot be read.
std::optional<double> pss_bytes(pid_t pid);

/// Every process below `root` in the tree of parents, without `root` itself.
std::vector<pid_t> descendants(pid_t root);

/// Processor seconds that these processes have used so far, with their reaped children; one that is
/// gone counts nothing.
double cpu_seconds(const std::vector<pid_t>& pids);

}  // namespace rookery::launch
