#include "base/subprocess.hpp"

#include "base/error.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <stdexcept>
#include <system_error>
#include <utility>

extern char** environ;

namespace rookery::base {

namespace {

using Clock = std::chrono::steady_clock;

/// More than this on the standard output of a child is read and dropped.
constexpr std::size_t kOutputBytesMax = 64 << 20;

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() { reset(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const { return number_; }
  int release() { return std::exchange(number_, -1); }
  void reset(int number = -1) {
    if (number_ >= 0) ::close(number_);
    number_ = number;
  }

 private:
  int number_ = -1;
};

[[noreturn]] void fail(const std::string& what, int code) {
  throw UserError(what + ": " + std::generic_category().message(code));
}

void make_pipe(Descriptor& read_end, Descriptor& write_end) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) fail("a pipe cannot be made", errno);
  read_end.reset(ends[0]);
  write_end.reset(ends[1]);
}

/// Our environment with `added` on top, as NAME=value.
std::vector<std::string> merged_environment(const std::map<std::string, std::string>& added) {
  std::vector<std::string> entries;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (!added.contains(text.substr(0, text.find('=')))) entries.push_back(text);
  }
  for (const auto& [name, value] : added) entries.push_back(name + "=" + value);
  return entries;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> list;
  for (auto& text : texts) list.push_back(text.data());
  list.push_back(nullptr);
  return list;
}

/// What the child needs between fork and exec, where only async-signal-safe calls are allowed:
/// other threads of the parent may have held the allocator's lock.
struct ChildPlan {
  char** command = nullptr;
  char** environment = nullptr;
  int standard_input = -1;  ///< -1: inherited, here and below
  int standard_output = -1;
  int standard_error = -1;
  int report = -1;  ///< the error of a failed exec goes here; success closes it
  pid_t parent = 0;
  bool die_with_parent = false;
  bool new_session = false;
};

[[noreturn]] void become(const ChildPlan& plan) {
  const auto give_up = [&] {
    const int code = errno;
    [[maybe_unused]] const auto written = ::write(plan.report, &code, sizeof code);
    ::_exit(127);
  };
  if (plan.new_session) ::setsid();
  if (plan.die_with_parent) {
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) give_up();
    // The parent may have died before the call above.
    if (::getppid() != plan.parent) ::_exit(127);
  }
  const auto redirect = [&](int from, int to) {
    if (from >= 0 && ::dup2(from, to) < 0) give_up();
  };
  redirect(plan.standard_input, STDIN_FILENO);
  redirect(plan.standard_output, STDOUT_FILENO);
  redirect(plan.standard_error, STDERR_FILENO);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  ::execvpe(plan.command[0], plan.command, plan.environment);
  give_up();
  ::_exit(127);
}

ExitCode exit_code(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/// Appends what is there without waiting; false at the end of the stream.
bool drain(int descriptor, std::string& output) {
  std::array<char, 65536> block{};
  for (;;) {
    const auto got = ::read(descriptor, block.data(), block.size());
    if (got == 0) return false;
    if (got < 0) return errno == EAGAIN || errno == EINTR;
    const auto room = kOutputBytesMax - std::min(kOutputBytesMax, output.size());
    output.append(block.data(), std::min(room, static_cast<std::size_t>(got)));
  }
}

}  // namespace

Subprocess::Subprocess(SubprocessOptions options) {
  if (options.command.empty()) {
    throw std::invalid_argument("Subprocess: expected a command, got an empty list");
  }
  auto environment = merged_environment(options.environment);
  const auto command_pointers = pointers(options.command);
  const auto environment_pointers = pointers(environment);
  const bool to_log = !options.log.empty();
  Descriptor log, nothing, output_read, output_write, report_read, report_write;
  if (to_log) {
    log.reset(::open(options.log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
    if (log.get() < 0) fail(options.log.string() + ": the log cannot be opened", errno);
  }
  // Only a child that shares our terminal's output may read from it.
  if (to_log || options.capture_output || options.new_session) {
    nothing.reset(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  }
  if (options.capture_output) make_pipe(output_read, output_write);
  make_pipe(report_read, report_write);

  ChildPlan plan;
  plan.command = const_cast<char**>(command_pointers.data());
  plan.environment = const_cast<char**>(environment_pointers.data());
  plan.standard_input = nothing.get();
  plan.standard_output = options.capture_output ? output_write.get() : log.get();
  plan.standard_error = log.get();
  plan.report = report_write.get();
  plan.parent = ::getpid();
  plan.die_with_parent = options.die_with_parent;
  plan.new_session = options.new_session;

  const pid_t child = ::fork();
  if (child < 0) fail(options.command.front() + ": no process can be started", errno);
  if (child == 0) become(plan);

  report_write.reset();
  int code = 0;
  ssize_t got = 0;
  do {
    got = ::read(report_read.get(), &code, sizeof code);
  } while (got < 0 && errno == EINTR);
  if (got == sizeof code) {
    ::waitpid(child, nullptr, 0);
    fail(options.command.front() + ": cannot be executed", code);
  }
  pid_ = child;
  if (options.capture_output) {
    ::fcntl(output_read.get(), F_SETFL, O_NONBLOCK);
    output_descriptor_ = output_read.release();
  }
}

Subprocess::~Subprocess() {
  if (pid_ > 0 && !ended_) {
    signal(SIGKILL);
    wait();
  }
  if (output_descriptor_ >= 0) ::close(output_descriptor_);
}

Subprocess::Subprocess(Subprocess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      output_descriptor_(std::exchange(other.output_descriptor_, -1)),
      ended_(other.ended_),
      output_(std::move(other.output_)) {}

Subprocess& Subprocess::operator=(Subprocess&& other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(output_descriptor_, other.output_descriptor_);
  std::swap(ended_, other.ended_);
  std::swap(output_, other.output_);
  return *this;
}

std::optional<ExitCode> Subprocess::poll() {
  if (ended_ || pid_ <= 0) return ended_;
  int status = 0;
  const pid_t found = ::waitpid(pid_, &status, WNOHANG);
  if (found == pid_) ended_ = exit_code(status);
  // Reaped by someone else (a handler for SIGCHLD): it is gone, and its code with it.
  if (found < 0 && errno == ECHILD) ended_ = 127;
  return ended_;
}

std::optional<ExitCode> Subprocess::wait(std::chrono::milliseconds timeout) {
  const auto deadline = Clock::now() + timeout;
  // A descriptor that becomes readable when the process ends; kernels before 5.3 have none.
  const Descriptor process(
      pid_ > 0 && !ended_ ? static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)) : -1);
  while (!poll() && pid_ > 0) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count() + 1;
    if (Clock::now() >= deadline) break;
    const int longest = process.get() >= 0 ? 60'000 : 5;
    std::array<pollfd, 2> entries{
        {{process.get(), POLLIN, 0}, {output_descriptor_, POLLIN, 0}}};  // -1 is skipped
    ::poll(entries.data(), entries.size(), static_cast<int>(std::min<std::int64_t>(left, longest)));
    // A child whose pipe is full would wait for us while we wait for it.
    if (output_descriptor_ >= 0 && !drain(output_descriptor_, output_)) {
      ::close(std::exchange(output_descriptor_, -1));
    }
  }
  return ended_;
}

ExitCode Subprocess::wait() {
  if (pid_ <= 0) throw std::logic_error("Subprocess: there is no child to wait for");
  for (;;) {
    if (const auto code = wait(std::chrono::hours(1))) return *code;
  }
}

void Subprocess::signal(int number) const {
  if (pid_ > 0 && !ended_) ::kill(pid_, number);
}

ExitCode Subprocess::terminate(std::chrono::milliseconds grace) {
  if (pid_ <= 0) throw std::logic_error("Subprocess: there is no child to end");
  signal(SIGTERM);
  if (const auto code = wait(grace)) return *code;
  signal(SIGKILL);
  return wait();
}

const std::string& Subprocess::output() {
  // Whatever the child wrote before it ended is in the pipe by now; a grandchild may still hold
  // the other end open, so the end of the stream is not awaited.
  if (output_descriptor_ >= 0 && !drain(output_descriptor_, output_)) {
    ::close(std::exchange(output_descriptor_, -1));
  }
  return output_;
}

void Subprocess::release() { pid_ = -1; }

std::filesystem::path executable_folder() {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path();
}

}  // namespace rookery::base
