#pragma once

#include <functional>
#include <memory>

namespace rookery::base {

/// A fixed team of threads that run the parts of one job and then wait for the next. The caller is
/// one of the team, so a team of 1 has no threads of its own. `run` may be called by one thread at
/// a time.
class ThreadTeam {
 public:
  /// `threads` in [1, 1024], else `std::invalid_argument`.
  explicit ThreadTeam(int threads);
  ~ThreadTeam();
  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;
  [[nodiscard]] int size() const;
  /// Calls `part(0)` … `part(parts - 1)`, each once, on whichever thread is free, and returns when
  /// all are done. An exception of a part is rethrown here after the others have ended.
  void run(int parts, const std::function<void(int)>& part);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Cores this process may use (its affinity mask), at least 1.
int usable_cores();

}  // namespace rookery::base
