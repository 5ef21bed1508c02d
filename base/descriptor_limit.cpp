#include "base/descriptor_limit.hpp"

#include "base/log.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <limits>

namespace rookery::base {

std::int64_t raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  if (limit.rlim_cur < limit.rlim_max) {
    rlimit raised = limit;
    raised.rlim_cur = limit.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
  }
  const auto most = static_cast<rlim_t>(std::numeric_limits<std::int64_t>::max());
  const auto files = static_cast<std::int64_t>(std::min(limit.rlim_cur, most));
  if (files < kDescriptorsWanted) {
    logger("base")->warn(
        "only {} files may be open; strangers' connections can use them up, raise it to {} with: "
        "ulimit -n",
        files, kDescriptorsWanted);
  }
  return files;
}

}  // namespace rookery::base
