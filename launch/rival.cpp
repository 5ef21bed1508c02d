#include "launch/rival.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.hpp"
#include "base/option_reader.hpp"
#include "base/subprocess.hpp"
#include "base/thread_team.hpp"
#include "retriever_pool/exact_kernel.hpp"

namespace rookery::launch {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

/// `tests/bench/rivals` of the tree that the executable was built in, a few folders up.
std::optional<fs::path> script_folder() {
  fs::path folder = base::executable_folder();
  for (int up = 0; up < 5 && folder.has_relative_path(); ++up, folder = folder.parent_path()) {
    std::error_code error;
    if (fs::exists(folder / "tests/bench/rivals/rival.py", error)) {
      return folder / "tests/bench/rivals";
    }
  }
  return std::nullopt;
}

std::string cpu_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (!line.starts_with("model name")) continue;
    const std::size_t colon = line.find(": ");
    if (colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown CPU";
}

double memory_gib() {
  const double pages = static_cast<double>(::sysconf(_SC_PHYS_PAGES));
  return pages * static_cast<double>(::sysconf(_SC_PAGE_SIZE)) / (1024.0 * 1024.0 * 1024.0);
}

}  // namespace

struct Rival::Impl {
  pid_t pid = -1;
  std::FILE* to = nullptr;
  std::FILE* from = nullptr;
  std::string name;

  Impl() = default;
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    if (to != nullptr) std::fclose(to);  // the end of its input ends the script
    if (from != nullptr) std::fclose(from);
    if (pid > 0) {
      ::kill(pid, SIGTERM);
      ::waitpid(pid, nullptr, 0);
    }
  }

  /// One line, or nothing at the end of the script's output.
  std::optional<std::string> read_line() const {
    char* line = nullptr;
    std::size_t capacity = 0;
    const ssize_t length = ::getline(&line, &capacity, from);
    std::optional<std::string> result;
    if (length > 0) result.emplace(line, static_cast<std::size_t>(length));
    std::free(line);
    return result;
  }
};

Rival::Rival(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Rival::Rival(Rival&&) noexcept = default;
Rival& Rival::operator=(Rival&&) noexcept = default;
Rival::~Rival() = default;

std::optional<fs::path> rival_python() {
  const char* cache = std::getenv("ROOKERY_CACHE");
  const char* xdg = std::getenv("XDG_CACHE_HOME");
  const fs::path folder = cache != nullptr ? fs::path(cache)
                          : xdg != nullptr ? fs::path(xdg) / "rookery"
                                           : base::expand_path("~/.cache/rookery");
  const fs::path python = folder / "peers-1/bin/python";
  std::error_code error;
  return fs::exists(python, error) ? std::optional(python) : std::nullopt;
}

std::optional<Rival> Rival::start(const std::string& script,
                                  const std::vector<std::string>& arguments, int threads) {
  const auto python = rival_python();
  const auto folder = script_folder();
  if (!python || !folder) return std::nullopt;
  int to[2];
  int from[2];
  if (::pipe2(to, O_CLOEXEC) != 0) return std::nullopt;
  if (::pipe2(from, O_CLOEXEC) != 0) {
    ::close(to[0]);
    ::close(to[1]);
    return std::nullopt;
  }
  std::vector<std::string> words = {python->string(), (*folder / (script + ".py")).string()};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  std::vector<std::string> variables;
  for (const char* name : {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
                           "NUMBA_NUM_THREADS", "RAYON_NUM_THREADS"}) {
    variables.push_back(std::string(name) + "=" + std::to_string(threads));
  }
  for (char** entry = environ; *entry != nullptr; ++entry) variables.emplace_back(*entry);
  std::vector<char*> envp;
  for (std::string& variable : variables) envp.push_back(variable.data());
  envp.push_back(nullptr);
  ::signal(SIGPIPE, SIG_IGN);  // a script that ended shows as an empty answer
  auto impl = std::make_unique<Impl>();
  impl->name = script;
  impl->pid = ::fork();
  if (impl->pid == 0) {
    ::dup2(to[0], 0);
    ::dup2(from[1], 1);
    ::execve(argv[0], argv.data(), envp.data());
    ::_exit(127);
  }
  ::close(to[0]);
  ::close(from[1]);
  impl->to = ::fdopen(to[1], "w");
  impl->from = ::fdopen(from[0], "r");
  // The first line says that everything was imported.
  const auto hello = impl->pid > 0 ? impl->read_line() : std::nullopt;
  if (!hello || *hello != "ready\n") {
    std::fprintf(stderr, "%s: the rival did not start; its figures stay empty\n", script.c_str());
    return std::nullopt;
  }
  return Rival(std::move(impl));
}

Json Rival::ask(const Json& request) {
  const std::string line = request.dump() + "\n";
  std::fwrite(line.data(), 1, line.size(), impl_->to);
  std::fflush(impl_->to);
  const auto answer = impl_->read_line();
  if (!answer) throw base::UserError(impl_->name + ": the rival's script ended early");
  Json json = Json::parse(*answer, nullptr, false);
  if (json.is_discarded()) {
    throw base::UserError(impl_->name + ": expected JSON of the rival, got " +
                          answer->substr(0, 200));
  }
  if (json.contains("error")) {
    throw base::UserError(impl_->name + ": " + json["error"].get<std::string>());
  }
  return json;
}

Json machine_facts() {
  return {{"cpu", cpu_name()},
          {"cores", base::usable_cores()},
          {"instructions", to_string(retriever_pool::best_instruction_set())},
          {"memory_gib", memory_gib()}};
}

std::string machine_line() {
  char memory[32];
  std::snprintf(memory, sizeof memory, "%.0f GiB", memory_gib());
  return cpu_name() + ", " + std::to_string(base::usable_cores()) + " cores, " +
         to_string(retriever_pool::best_instruction_set()) + ", " + memory;
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

}  // namespace rookery::launch
