#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

namespace rookery::launch {

/// Holds one thread of another process, found by its name, still, while the others run. The thread
/// goes on when this object ends or this process does. Use from the thread that made it.
class FrozenThread {
 public:
  /// Throws `SkipScenario` where tracing is not permitted, `std::runtime_error` when the process
  /// has no such thread.
  FrozenThread(pid_t process, const std::string& name);
  ~FrozenThread();
  /// True when the thread has died. To be called from time to time: the process of a thread that is
  /// held ends only once we have looked.
  bool ended();
  FrozenThread(const FrozenThread&) = delete;
  FrozenThread& operator=(const FrozenThread&) = delete;

 private:
  pid_t thread_;
  bool ended_ = false;
};

}  // namespace rookery::launch
