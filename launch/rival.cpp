#include "launch/rival.hpp"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
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

constexpr auto kImportTime = std::chrono::minutes(5);
constexpr auto kAnswerTime = std::chrono::hours(24);  // some measure for long

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
  explicit Impl(LineProcess started) : process(std::move(started)) {}
  LineProcess process;
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
  auto process = start_rival(script, arguments, threads, {});
  if (!process) return std::nullopt;
  // The first line says that everything was imported.
  if (!process->wait_ready(kImportTime)) {
    std::fprintf(stderr, "%s: the rival did not start; its figures stay empty\n", script.c_str());
    return std::nullopt;
  }
  return Rival(std::make_unique<Impl>(std::move(*process)));
}

Json Rival::ask(const Json& request) {
  impl_->process.send(request);
  const auto answer = impl_->process.read_line(kAnswerTime);
  const std::string& name = impl_->process.name();
  if (!answer) throw base::UserError(name + ": the rival's script ended early");
  Json json = Json::parse(*answer, nullptr, false);
  if (json.is_discarded()) {
    throw base::UserError(name + ": expected JSON of the rival, got " + answer->substr(0, 200));
  }
  if (json.contains("error")) {
    throw base::UserError(name + ": " + json["error"].get<std::string>());
  }
  return json;
}

std::optional<LineProcess> start_rival(const std::string& script,
                                       const std::vector<std::string>& arguments, int threads,
                                       const std::map<std::string, std::string>& environment,
                                       std::chrono::milliseconds grace) {
  const auto python = rival_python();
  const auto folder = script_folder();
  if (!python || !folder) return std::nullopt;
  LineProcessOptions options;
  options.name = script;
  options.command = {python->string(), (*folder / (script + ".py")).string()};
  options.command.insert(options.command.end(), arguments.begin(), arguments.end());
  options.environment = environment;
  options.grace = grace;
  for (const char* name : {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
                           "NUMBA_NUM_THREADS", "RAYON_NUM_THREADS"}) {
    options.environment[name] = std::to_string(threads);
  }
  return LineProcess(options);
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

}  // namespace rookery::launch
