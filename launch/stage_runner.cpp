#include "launch/stage_runner.hpp"

#include <unistd.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/atomic_file.hpp"
#include "base/error.hpp"
#include "base/progress.hpp"
#include "base/subprocess.hpp"

namespace rookery::launch {

namespace {

std::string quoted(const std::string& argument) {
  const bool plain = !argument.empty() && argument.find_first_of(" \"'$") == std::string::npos;
  return plain ? argument : "\"" + argument + "\"";
}

}  // namespace

StageRunner::StageRunner(const base::StopSignal& stop, std::filesystem::path work_folder,
                         int stages)
    : stop_(stop), work_folder_(std::move(work_folder)), stages_(stages) {}

void StageRunner::heading(const std::string& title, const std::string& what) {
  if (stop_.requested()) throw Interrupted();
  const bool bold = base::decorated(STDOUT_FILENO);
  std::printf("\n%s%d/%d  %s%s\n     %s\n", bold ? "\033[1m" : "", ++stage_, stages_, title.c_str(),
              bold ? "\033[0m" : "", what.c_str());
  std::fflush(stdout);
}

void StageRunner::say(const std::string& line) const {
  std::printf("     %s\n", line.c_str());
  std::fflush(stdout);
}

void StageRunner::run(const std::vector<std::string>& arguments) const {
  std::string line = "$ rookery";
  for (const auto& argument : arguments) line += " " + quoted(argument);
  say(line);
  base::SubprocessOptions options;
  options.command = {(base::executable_folder() / "rookery").string()};
  options.command.insert(options.command.end(), arguments.begin(), arguments.end());
  base::Subprocess child(std::move(options));
  constexpr auto kPoll = std::chrono::milliseconds(100);
  constexpr auto kGrace = std::chrono::seconds(10);
  for (;;) {
    if (const auto code = child.wait(kPoll)) {
      if (stop_.requested()) throw Interrupted();
      if (*code != 0)
        throw base::UserError("quickstart: rookery " + arguments.front() +
                              " ended with exit code " + std::to_string(*code) +
                              "; its message is above");
      return;
    }
    if (stop_.requested()) {
      child.terminate(kGrace);
      throw Interrupted();
    }
  }
}

nlohmann::json StageRunner::run_json(const std::vector<std::string>& arguments) const {
  const auto file = work_folder_ / "figures.json";
  std::filesystem::remove(file);
  auto extended = arguments;
  extended.insert(extended.end(), {"--json", file.string()});
  run(extended);
  return nlohmann::json::parse(base::read_file(file));
}

bool StageRunner::run_quietly(const std::vector<std::string>& arguments) const {
  try {
    base::SubprocessOptions options;
    options.command = {(base::executable_folder() / "rookery").string()};
    options.command.insert(options.command.end(), arguments.begin(), arguments.end());
    options.capture_output = true;
    options.log = work_folder_ / "quiet.log";
    return base::Subprocess(std::move(options)).wait() == 0;
  } catch (const std::exception&) {
    return false;
  }
}

double StageRunner::seconds() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
}

}  // namespace rookery::launch
