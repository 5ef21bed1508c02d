#include <signal.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/thread_team.hpp"
#include "launch/blog_contest.hpp"
#include "launch/blog_data.hpp"
#include "launch/blog_systems.hpp"
#include "launch/detail/blog_trainers.hpp"
#include "launch/scratch_folder.hpp"

namespace rookery::launch {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using Clock = std::chrono::steady_clock;

/// One fault under one design.
Json run_fault(const BlogSystem& system, int signal, const BlogFailureOptions& options,
               BlogData& data, const fs::path& scratch) {
  Json row = {{"system", system.name},
              {"label", system.label},
              {"signal", signal == SIGKILL ? "SIGKILL" : "SIGSTOP"},
              {"outcome", nullptr},
              {"detail", ""},
              {"steps_done", 0},
              {"slowest_step_s", nullptr}};
  std::unique_ptr<BlogService> service;
  std::unique_ptr<BlogTrainers> trainers;
  try {
    service = start_blog_service(system, {.data = &data,
                                          .actors = options.actors,
                                          .threads = options.threads,
                                          .scratch = scratch,
                                          .seed = options.seed});
    trainers = std::make_unique<BlogTrainers>(service->trainers(options.trainers), data);
    for (int step = 1; step < options.step; ++step) (void)trainers->step(0);
  } catch (const std::exception& error) {
    row["reason"] = error.what();
    return row;
  }
  const auto processes = service->retrieval_processes();
  const pid_t victim = processes.empty() ? trainers->pid(0) : processes.front();
  // Where the retrieval process is rank 0, the question is what its loss does to the others.
  const int first_rank = processes.empty() ? 1 : 0;
  const auto watch = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::duration<double>(options.watch_s));
  double slowest = 0;
  row["outcome"] = "goes on";
  int step = options.step;
  for (; step <= options.steps && row["outcome"] == "goes on"; ++step) {
    trainers->begin(0);
    if (step == options.step) ::kill(victim, signal);
    const auto begin = Clock::now();
    for (int rank = first_rank; rank < trainers->size(); ++rank) {
      const auto left =
          watch - std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begin);
      const auto outcome = trainers->finish(rank, std::max(left, std::chrono::milliseconds(0)));
      if (outcome.seconds) {
        slowest = std::max(slowest, *outcome.seconds);
        continue;
      }
      // An error of any rank is what the run ends with; a silent one may only wait for it.
      if (!outcome.error.empty()) {
        row["outcome"] = "stops with an error";
        row["detail"] = "rank " + std::to_string(rank) + ": " + outcome.error.substr(0, 300);
        break;
      }
      row["outcome"] = "hangs";
      row["detail"] = "rank " + std::to_string(rank) + " was silent for all of the " +
                      std::to_string(static_cast<int>(options.watch_s)) + " s watched";
    }
  }
  const bool whole = row["outcome"] == "goes on";
  // With rank 0 gone no further step can begin, even if one message was already on its way.
  if (whole && processes.empty()) row["detail"] = "rank 0 was not watched";
  row["steps_done"] = whole ? options.steps : step - 2;
  if (slowest > 0) row["slowest_step_s"] = slowest;
  // A stopped process ends only when it is killed or goes on.
  ::kill(victim, SIGCONT);
  return row;
}

}  // namespace

Json run_blog_failures(const BlogFailureOptions& given) {
  BlogFailureOptions options = given;
  if (options.threads == 0) options.threads = base::usable_cores();
  const ScratchFolder scratch("blog",
                              options.folder.empty() ? fs::temp_directory_path() : options.folder);
  BlogData data({.folder = scratch.path() / "data",
                 .vectors = options.vectors,
                 .dimension = options.dimension,
                 .seed = options.seed,
                 .threads = options.threads});
  Json rows = Json::array();
  for (const std::string& name : options.systems) {
    for (const int signal : {SIGKILL, SIGSTOP}) {
      rows.push_back(run_fault(blog_system(name), signal, options, data, scratch.path()));
    }
  }
  return rows;
}

}  // namespace rookery::launch
