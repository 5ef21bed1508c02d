#pragma once

#include <sys/types.h>

#include <cstdint>

namespace rookery::launch {

/// What /proc says of a process; zeros when it is gone.
struct ProcessFacts {
  std::int64_t resident_bytes = 0;   ///< all that is in memory
  std::int64_t anonymous_bytes = 0;  ///< of it what no file stands behind
  std::int64_t descriptors = 0, threads = 0;
};
ProcessFacts process_facts(pid_t process);

}  // namespace rookery::launch
