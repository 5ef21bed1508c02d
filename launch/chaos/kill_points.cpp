#include "launch/chaos/kill_points.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "index_tools/snapshot.hpp"
#include "launch/chaos/chaos_colony.hpp"

namespace rookery::launch {
namespace {

namespace fs = std::filesystem;

const ChaosCorpus kCorpus{120, 16, 2, {"int8", "bm25"}};

bool changes_the_disk(const __ptrace_syscall_info& call) {
  switch (static_cast<long>(call.entry.nr)) {
    case SYS_openat:
      return (call.entry.args[2] & O_CREAT) != 0;
#ifdef SYS_open
    case SYS_open:
      return (call.entry.args[1] & O_CREAT) != 0;
    case SYS_rename:
    case SYS_mkdir:
    case SYS_rmdir:
    case SYS_unlink:
    case SYS_link:
    case SYS_symlink:
#endif
    case SYS_write:
    case SYS_pwrite64:
    case SYS_writev:
    case SYS_fsync:
    case SYS_fdatasync:
    case SYS_ftruncate:
    case SYS_fallocate:
    case SYS_renameat:
    case SYS_renameat2:
    case SYS_mkdirat:
    case SYS_unlinkat:
    case SYS_linkat:
    case SYS_symlinkat:
    case SYS_copy_file_range:
    case SYS_sendfile:
      return true;
    default:
      return false;
  }
}

pid_t start_traced(const fs::path& name, std::uint64_t seed) {
  const auto program = own_executable().string(), folder = name.string(),
             number = std::to_string(seed);
  const pid_t child = ::fork();
  if (child < 0)
    throw SkipScenario(std::string("no process could be started: ") + std::strerror(errno));
  if (child == 0) {
    const int null = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
    ::dup2(null, STDOUT_FILENO);
    ::dup2(null, STDERR_FILENO);
    ::execl(program.c_str(), program.c_str(), "chaos", "--step", "save-traced", "--folder",
            folder.c_str(), "--seed", number.c_str(), nullptr);
    ::_exit(127);
  }
  return child;
}

/// Lets the child run to the `kill_at`-th call (from 1; 0: to its end) and returns how many it came
/// to. The child is reaped.
int trace(pid_t child, int kill_at) {
  int calls = 0, status = 0;
  if (::waitpid(child, &status, __WALL) != child || !WIFSTOPPED(status)) {
    throw SkipScenario("processes cannot be traced here (ptrace)");
  }
  const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL | PTRACE_O_TRACECLONE;
  ::ptrace(PTRACE_SETOPTIONS, child, nullptr, options);
  pid_t stopped = child;
  int signal = 0;
  while (true) {
    ::ptrace(PTRACE_SYSCALL, stopped, nullptr, static_cast<long>(signal));
    stopped = ::waitpid(-1, &status, __WALL);
    if (stopped < 0) return calls;
    signal = 0;
    if (WIFEXITED(status) || WIFSIGNALED(status)) {
      if (stopped == child) return calls;
      stopped = ::waitpid(-1, &status, __WALL);  // a thread of it ended: the next stop
      if (stopped < 0 || WIFEXITED(status) || WIFSIGNALED(status)) return calls;
    }
    const int why = WSTOPSIG(status);
    if (why == (SIGTRAP | 0x80)) {
      __ptrace_syscall_info call{};
      if (::ptrace(PTRACE_GET_SYSCALL_INFO, stopped, sizeof call, &call) <= 0) {
        ::kill(child, SIGKILL);
        while (::waitpid(child, &status, __WALL) > 0) {
        }
        throw SkipScenario("the kernel does not tell which system call a process makes");
      }
      if (call.op != PTRACE_SYSCALL_INFO_ENTRY || !changes_the_disk(call)) continue;
      if (++calls == kill_at) {
        ::kill(child, SIGKILL);
        while (::waitpid(child, &status, __WALL) == child && !WIFSIGNALED(status)) {
        }
        return calls;
      }
    } else if (why != SIGTRAP && why != SIGSTOP) {
      signal = why;
    }
  }
}

}  // namespace

void save_step(const fs::path& name, std::uint64_t seed, bool traced) {
  if (traced) {
    if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) {
      throw base::UserError(std::string("cannot be traced: ") + std::strerror(errno));
    }
    ::raise(SIGSTOP);
  }
  write_chaos_snapshot(name, kCorpus, seed);
}

KillPointOutcome try_kill_points(ScenarioRoom& room) {
  const fs::path first = room.folder / "kill-first", name = room.folder / "kill" / "index";
  const auto old = write_chaos_snapshot(first, kCorpus, room.seed);
  const auto begin_again = [&] {
    std::error_code ignored;
    fs::remove_all(name.parent_path(), ignored);
    fs::create_directories(name.parent_path());
    fs::copy(first, name, fs::copy_options::recursive | fs::copy_options::copy_symlinks);
  };
  KillPointOutcome outcome;
  begin_again();
  outcome.points = trace(start_traced(name, room.seed + 1), 0);
  const auto fresh = index_tools::load_manifest(name).generation;
  if (fresh == old || outcome.points < 10) throw std::runtime_error("the build was not traced");
  std::vector<int> points(static_cast<std::size_t>(outcome.points));
  for (int i = 0; i < outcome.points; ++i) points[static_cast<std::size_t>(i)] = i + 1;
  if (room.brief) {
    std::mt19937_64 random(room.seed);
    // The last calls are those of the commit.
    const auto middle = points.begin() + std::max<std::ptrdiff_t>(0, std::ssize(points) - 30);
    std::shuffle(points.begin(), middle, random);
    std::shuffle(middle, points.end(), random);
    std::vector<int> some(points.begin(), points.begin() + 6);
    some.insert(some.end(), points.end() - 14, points.end());
    points = some;
  }
  for (const int point : points) {
    begin_again();
    trace(start_traced(name, room.seed + 1), point);
    ++outcome.tried;
    try {
      const auto now = index_tools::load_manifest(name).generation;
      std::int64_t blocks = 0;
      const bool whole = index_tools::verify_snapshot(name, std::nullopt, blocks).empty();
      outcome.kept_old += whole && now == old;
      outcome.have_new += whole && now == fresh;
      outcome.broken += !whole || (now != old && now != fresh);
    } catch (const base::UserError&) {
      ++outcome.broken;
    }
    if (outcome.tried % 10 == 0) {
      try {
        write_chaos_snapshot(name, kCorpus, room.seed + 1);
        outcome.not_resumed += index_tools::load_manifest(name).generation != fresh;
      } catch (const base::UserError&) {
        ++outcome.not_resumed;
      }
    }
    room.rest(0);
  }
  return outcome;
}

}  // namespace rookery::launch
