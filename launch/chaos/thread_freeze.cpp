#include "launch/chaos/thread_freeze.hpp"

#include <sys/ptrace.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "launch/chaos/scenario.hpp"

namespace rookery::launch {
namespace {

pid_t find_thread(pid_t process, const std::string& name) {
  std::error_code error;
  const auto tasks = "/proc/" + std::to_string(process) + "/task";
  for (const auto& task : std::filesystem::directory_iterator(tasks, error)) {
    std::ifstream file(task.path() / "comm");
    std::string comm;
    if (std::getline(file, comm) && comm == name) {
      return static_cast<pid_t>(std::stol(task.path().filename().string()));
    }
  }
  throw std::runtime_error("process " + std::to_string(process) + " has no thread named '" + name +
                           "'");
}

}  // namespace

FrozenThread::FrozenThread(pid_t process, const std::string& name)
    : thread_(find_thread(process, name)) {
  if (::ptrace(PTRACE_SEIZE, thread_, nullptr, nullptr) != 0) {
    throw SkipScenario(std::string("threads of other processes cannot be held here (ptrace): ") +
                       std::strerror(errno));
  }
  if (::ptrace(PTRACE_INTERRUPT, thread_, nullptr, nullptr) == 0) {
    int status = 0;
    ::waitpid(thread_, &status, __WALL);
  }
}

bool FrozenThread::ended() {
  int status = 0;
  if (!ended_ && ::waitpid(thread_, &status, __WALL | WNOHANG) == thread_) {
    ended_ = WIFEXITED(status) || WIFSIGNALED(status);
  }
  return ended_;
}

FrozenThread::~FrozenThread() {
  if (!ended()) ::ptrace(PTRACE_DETACH, thread_, nullptr, nullptr);
}

}  // namespace rookery::launch
