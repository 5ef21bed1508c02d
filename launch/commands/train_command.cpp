#include <signal.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/colony_folder.hpp"
#include "base/error.hpp"
#include "base/free_port.hpp"
#include "base/stop_signal.hpp"
#include "base/subprocess.hpp"
#include "launch/colony_config.hpp"
#include "launch/commands.hpp"
#include "launch/commands/keys_flag.hpp"

namespace rookery::launch {
namespace {

using namespace std::chrono_literals;

constexpr int kInterrupted = 130;
/// What a rank gets after Ctrl-C or another rank's end: it finishes its step and saves.
constexpr auto kGrace = 120s;

struct TrainCommand {
  std::string config, pool, index, checkpoint, json, trace;
  int nproc = 0;
  std::int64_t steps = -1, seed = -1;
  bool resume = false, insecure = false;
};

std::string environment_or(const char* name, const std::string& otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr || *value == '\0' ? otherwise : value;
}

/// `rookery-torch train CONFIG …` with everything resolved that only this executable can resolve.
std::vector<std::string> rank_command(const TrainCommand& options, const ColonyConfig& config) {
  const std::filesystem::path program = base::executable_folder() / "rookery-torch";
  if (!std::filesystem::exists(program)) {
    throw base::UserError(program.string() +
                          ": not found; training needs libtorch: configure with "
                          "-DROOKERY_TORCH=ON and build again");
  }
  std::string pool = options.pool.empty() ? config.train.pool : options.pool;
  if (pool != "embedded") {
    if (pool == "colony") pool = config.colony;
    if (!pool.starts_with("tcp://")) {
      const auto head = actors::ColonyFolder::find(pool).running_head();
      use_keys_of_colony(head.keys);
      pool = head.routing;
    }
  }
  std::vector<std::string> command = {program.string(), "train", options.config, "--pool", pool};
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) command.insert(command.end(), {name, value});
  };
  add("--index", options.index);
  add("--checkpoint", options.checkpoint);
  add("--json", options.json);
  add("--trace", options.trace);
  if (options.steps >= 0) add("--steps", std::to_string(options.steps));
  if (options.seed >= 0) add("--seed", std::to_string(options.seed));
  if (options.resume) command.emplace_back("--resume");
  return command;
}

void make_folder(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    throw base::UserError("--trace " + folder.string() +
                          ": expected a folder that can be made, got: " + error.message());
  }
}

/// Starts the ranks and watches them: the first that fails ends the others, and its code is ours.
int run_ranks(const std::vector<std::string>& command, int ranks, int threads, bool insecure) {
  const base::StopSignal stop;
  const std::string address = environment_or("MASTER_ADDR", "127.0.0.1");
  if (!insecure && address != "localhost" && !actors::is_loopback(address)) {
    throw base::UserError("MASTER_ADDR: expected an address in 127.0.0.0/8, got '" + address +
                          "': torch's process group has no keys, whoever reaches it can change "
                          "gradients; in a network you trust add --insecure");
  }
  const std::string port = environment_or("MASTER_PORT", std::to_string(base::free_port()));
  std::vector<base::Subprocess> children;
  for (int rank = 0; rank < ranks; ++rank) {
    base::SubprocessOptions options;
    options.command = command;
    options.environment = {{"RANK", std::to_string(rank)},
                           {"WORLD_SIZE", std::to_string(ranks)},
                           {"LOCAL_RANK", std::to_string(rank)},
                           {"MASTER_ADDR", address},
                           {"MASTER_PORT", port},
                           {"OMP_NUM_THREADS", std::to_string(threads)}};
    // A group of its own, so that Ctrl-C reaches the ranks through us and once only.
    options.new_session = true;
    children.emplace_back(std::move(options));
  }
  std::vector<std::optional<base::ExitCode>> ended(children.size());
  std::optional<base::ExitCode> first_failure;
  bool asked = false;
  auto deadline = std::chrono::steady_clock::time_point::max();
  const auto ask_all_to_end = [&](int number, std::chrono::seconds grace) {
    for (std::size_t i = 0; i < children.size(); ++i) {
      if (!ended[i]) children[i].signal(number);
    }
    deadline = std::chrono::steady_clock::now() + grace;
    asked = true;
  };
  for (;;) {
    bool all = true;
    for (std::size_t i = 0; i < children.size(); ++i) {
      if (ended[i]) continue;
      ended[i] = children[i].poll();
      if (!ended[i]) {
        all = false;
      } else if (*ended[i] != 0 && !first_failure) {
        first_failure = *ended[i];
        if (*ended[i] > 128 && !asked) {
          std::fprintf(stderr,
                       "train: rank %zu was killed by signal %d; go on from the last checkpoint "
                       "with --resume\n",
                       i, *ended[i] - 128);
        }
        // The others notice by themselves within a moment, and say what they lost.
        if (!asked) deadline = std::chrono::steady_clock::now() + 10s;
      }
    }
    if (all) break;
    if (std::chrono::steady_clock::now() > deadline) ask_all_to_end(SIGKILL, 10s);
    if (stop.requested() && !asked) {
      std::fprintf(stderr, "\ntrain: stopping after this step, with a checkpoint\n");
      ask_all_to_end(SIGTERM, kGrace);
    }
    if (asked) {
      children.front().wait(50ms);
    } else {
      stop.wait(50ms);
    }
  }
  if (stop.requested()) return kInterrupted;
  return first_failure.value_or(0);
}

int run_train(const TrainCommand& options) {
  const ColonyConfig config = ColonyConfig::load(options.config);
  const std::vector<std::string> command = rank_command(options, config);
  if (!options.trace.empty()) make_folder(options.trace);
  // Under torchrun or Slurm we are one rank already.
  if (std::getenv("RANK") != nullptr && std::getenv("WORLD_SIZE") != nullptr) {
    base::SubprocessOptions child;
    child.command = command;
    return base::Subprocess(std::move(child)).wait();
  }
  const int ranks = options.nproc > 0 ? options.nproc : config.train.nproc;
  return run_ranks(command, ranks, config.train.threads, options.insecure);
}

}  // namespace

void add_train_command(CLI::App& app) {
  auto options = std::make_shared<TrainCommand>();
  auto* command = app.add_subcommand(
      "train", "Fine-tunes a RAG model over the pool, in one process a rank (needs rookery-torch)");
  command->add_option("config", options->config, "The colony's YAML file")->required();
  command->add_option("--nproc", options->nproc, "Ranks on this host (train.nproc)")
      ->check(CLI::Range(1, 64));
  command->add_option("--pool", options->pool,
                      "embedded, colony, a colony's name or tcp://HOST:PORT (train.pool)");
  command->add_option("--index", options->index, "Snapshot for --pool embedded (index.path)");
  command->add_option("--checkpoint", options->checkpoint, "Folder to write (train.checkpoint)");
  command->add_option("--steps", options->steps, "Optimizer steps in all (train.steps)")
      ->check(CLI::Range(0, 100'000'000));
  command->add_option("--seed", options->seed, "train.seed")->check(CLI::NonNegativeNumber);
  command->add_flag("--resume", options->resume, "Go on from the checkpoint, bit for bit");
  command->add_option("--json", options->json, "Write figures of the run to this file");
  command->add_option("--trace", options->trace,
                      "Write rank-N.json into this folder, for ui.perfetto.dev");
  command->add_flag("--insecure", options->insecure,
                    "allow MASTER_ADDR beyond loopback: torch's process group has no keys");
  add_keys_flag(*command);
  command->footer("Example: rookery train configs/wiki.yaml --nproc 2");
  command->callback([options] {
    if (const int code = run_train(*options); code != 0) throw CLI::RuntimeError(code);
  });
}

}  // namespace rookery::launch
