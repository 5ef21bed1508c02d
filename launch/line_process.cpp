#include "launch/line_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "base/error.hpp"

extern char** environ;

namespace rookery::launch {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kLineBytesMax = 16 << 20;

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> list;
  for (std::string& word : words) list.push_back(word.data());
  list.push_back(nullptr);
  return list;
}

}  // namespace

struct LineProcess::Impl {
  pid_t pid = -1;
  int to = -1;
  int from = -1;
  bool at_end = false;
  std::string name, buffer;
  std::chrono::milliseconds grace{0};

  Impl() = default;
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    if (to >= 0) ::close(to);  // the end of its input ends the process
    if (from >= 0) ::close(from);
    if (pid <= 0) return;
    const auto begin = Clock::now();
    bool asked = false;
    while (::waitpid(pid, nullptr, WNOHANG) == 0) {
      const auto waited = Clock::now() - begin;
      if (waited > grace && !std::exchange(asked, true)) {
        ::kill(pid, SIGTERM);
        ::kill(pid, SIGCONT);  // a stopped process would not see the signal until it goes on
      }
      if (waited > grace + std::chrono::seconds(2)) ::kill(pid, SIGKILL);
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }
};

LineProcess::LineProcess(const LineProcessOptions& options) : impl_(std::make_unique<Impl>()) {
  ::signal(SIGPIPE, SIG_IGN);  // a process that ended shows as an empty answer
  impl_->name = options.name;
  impl_->grace = options.grace;
  int to[2];
  int from[2];
  if (::pipe2(to, O_CLOEXEC) != 0) throw base::UserError(options.name + ": no pipe can be made");
  if (::pipe2(from, O_CLOEXEC) != 0) {
    ::close(to[0]);
    ::close(to[1]);
    throw base::UserError(options.name + ": no pipe can be made");
  }
  std::vector<std::string> words = options.command;
  std::vector<std::string> variables;
  for (const auto& [name, value] : options.environment) variables.push_back(name + "=" + value);
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (!options.environment.contains(text.substr(0, text.find('=')))) variables.push_back(text);
  }
  const auto argv = pointers(words);
  const auto envp = pointers(variables);
  const int nowhere = options.quiet ? ::open("/dev/null", O_WRONLY | O_CLOEXEC) : -1;
  impl_->pid = ::fork();
  if (impl_->pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::dup2(to[0], 0);
    ::dup2(from[1], 1);
    if (nowhere >= 0) ::dup2(nowhere, 2);
    ::execve(argv[0], argv.data(), envp.data());
    ::_exit(127);
  }
  if (nowhere >= 0) ::close(nowhere);
  ::close(to[0]);
  ::close(from[1]);
  impl_->to = to[1];
  impl_->from = from[0];
  if (impl_->pid < 0) throw base::UserError(options.name + ": no process can be made");
}

LineProcess::~LineProcess() = default;
LineProcess::LineProcess(LineProcess&&) noexcept = default;
LineProcess& LineProcess::operator=(LineProcess&&) noexcept = default;

pid_t LineProcess::pid() const { return impl_->pid; }
const std::string& LineProcess::name() const { return impl_->name; }
bool LineProcess::ended() const { return impl_->at_end; }

std::optional<std::string> LineProcess::wait_ready(std::chrono::milliseconds timeout) {
  const auto line = read_line(timeout);
  if (!line || !line->starts_with("ready")) return std::nullopt;
  return line->size() > 6 ? line->substr(6) : "";
}

void LineProcess::send(const nlohmann::json& request) {
  const std::string line = request.dump() + "\n";
  std::size_t sent = 0;
  while (sent < line.size()) {
    const ssize_t wrote = ::write(impl_->to, line.data() + sent, line.size() - sent);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return;
    sent += static_cast<std::size_t>(wrote);
  }
}

std::optional<std::string> LineProcess::read_line(std::chrono::milliseconds timeout) {
  const auto deadline = Clock::now() + timeout;
  for (;;) {
    if (const auto end = impl_->buffer.find('\n'); end != std::string::npos) {
      std::string line = impl_->buffer.substr(0, end);
      impl_->buffer.erase(0, end + 1);
      return line;
    }
    if (impl_->at_end || impl_->buffer.size() > kLineBytesMax) return std::nullopt;
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd wait{impl_->from, POLLIN, 0};
    const int ready = ::poll(&wait, 1, static_cast<int>(std::max<std::int64_t>(left, 0)));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return std::nullopt;
    char bytes[1 << 16];
    const ssize_t got = ::read(impl_->from, bytes, sizeof bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      impl_->at_end = true;
      continue;
    }
    impl_->buffer.append(bytes, static_cast<std::size_t>(got));
  }
}

}  // namespace rookery::launch
