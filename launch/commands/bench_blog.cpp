#include "launch/commands/bench_blog.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/atomic_file.hpp"
#include "base/option_reader.hpp"
#include "base/progress.hpp"
#include "launch/blog_contest.hpp"
#include "launch/blog_systems.hpp"
#include "launch/blog_table.hpp"
#include "launch/blog_worker.hpp"
#include "launch/rival.hpp"

namespace rookery::launch {
namespace {

using Json = nlohmann::json;

struct BlogArguments {
  BlogOptions contest;
  BlogFailureOptions failures;
  bool only_failures = false, no_failures = false;
  std::string folder, json, svg, markdown, from;
};

void write_outputs(const BlogArguments& arguments, const Json& results) {
  const std::string markdown = blog_markdown(results);
  std::printf("%s", markdown.c_str());
  if (!arguments.json.empty()) {
    base::write_file_atomically(arguments.json, results.dump(2) + "\n");
  }
  if (!arguments.markdown.empty()) base::write_file_atomically(arguments.markdown, markdown);
  if (!arguments.svg.empty()) base::write_file_atomically(arguments.svg, blog_svg(results));
}

void run(const BlogArguments& arguments) {
  if (!arguments.from.empty()) {
    write_outputs(arguments, Json::parse(base::read_file(arguments.from)));
    return;
  }
  BlogOptions contest = arguments.contest;
  if (!arguments.folder.empty()) contest.folder = base::expand_path(arguments.folder);
  std::printf("%s · seed %llu\n", machine_line().c_str(),
              static_cast<unsigned long long>(contest.seed));
  Json results = {{"cells", Json::array()}};
  if (!arguments.only_failures) {
    base::Progress progress("blog", 100, "percent");
    results = run_blog_contest(
        contest, [&](std::int64_t done, std::int64_t all) { progress.update(done * 100 / all); });
    progress.finish();
  } else {
    results = {{"machine", machine_facts()},
               {"options", {{"seed", contest.seed}, {"dimension", contest.dimension}}},
               {"bounds", Json::array()},
               {"cells", Json::array()}};
  }
  if (!arguments.no_failures) {
    BlogFailureOptions failures = arguments.failures;
    failures.folder = contest.folder;
    failures.seed = contest.seed;
    failures.threads = contest.threads;
    if (!contest.systems.empty()) {
      std::erase_if(failures.systems, [&](const std::string& name) {
        return std::ranges::find(contest.systems, name) == contest.systems.end();
      });
    }
    results["failures"] = run_blog_failures(failures);
  }
  if (!results["cells"].empty()) results["marks"] = blog_marks(results);
  write_outputs(arguments, results);
}

/// The processes of the benchmark; not for people.
void add_workers(CLI::App& bench) {
  const auto trainer = std::make_shared<BlogTrainerOptions>();
  CLI::App* trains = bench.add_subcommand("blog-trainer", "One trainer of bench blog")->group("");
  trains->add_option("--queries", trainer->steps.queries)->required();
  trains->add_option("--rank", trainer->steps.rank)->required();
  trains->add_option("--ranks", trainer->steps.ranks)->required();
  trains->add_option("--batch", trainer->steps.batch);
  trains->add_option("--head", trainer->head);
  trains->add_option("--replicas", trainer->replicas)->delimiter(',');
  trains->add_option("--seed", trainer->seed);
  trains->callback([trainer] {
    if (const int code = run_blog_trainer(*trainer); code != 0) throw CLI::RuntimeError(code);
  });
  const auto replica = std::make_shared<BlogReplicaOptions>();
  CLI::App* serves =
      bench.add_subcommand("blog-replica", "One retrieval process of bench blog")->group("");
  serves->add_option("--snapshot", replica->snapshot)->required();
  serves->add_option("--queries", replica->queries)->required();
  serves->add_option("--kernel", replica->search.kernel)->required();
  serves->add_option("--threads", replica->search.threads)->required();
  serves->add_flag("--tune", replica->tune);
  serves->callback([replica] {
    if (const int code = run_blog_replica(*replica); code != 0) throw CLI::RuntimeError(code);
  });
}

}  // namespace

void add_bench_blog(CLI::App& bench) {
  const auto arguments = std::make_shared<BlogArguments>();
  BlogOptions& contest = arguments->contest;
  std::string names;
  for (const BlogSystem& system : blog_systems()) {
    names += (names.empty() ? "" : ", ") + system.name;
  }
  CLI::App* command = bench.add_subcommand(
      "blog", "Seconds a retrieval as trainers grow: rank 0, Ray and the pool side by side");
  const auto numbers = [&](const char* name, std::vector<int>& values, const char* what, int low,
                           int high) {
    command->add_option(name, values, what)
        ->delimiter(',')
        ->check(CLI::Range(low, high))
        ->capture_default_str();
  };
  numbers("--trainers", contest.trainers, "Numbers of trainers", 1, 64);
  numbers("--actors", contest.actors, "Numbers of retrieval processes", 1, 64);
  numbers("--compute-ms", contest.compute_ms, "What a step computes besides (it sleeps)", 0,
          60'000);
  command->add_option("--systems", contest.systems, "Some of: " + names)->delimiter(',');
  command->add_option("--vectors", contest.vectors, "Sizes of the index")
      ->delimiter(',')
      ->check(CLI::Range(std::int64_t{16}, std::int64_t{1} << 31))
      ->capture_default_str();
  command->add_option("--dim", contest.dimension, "Of the vectors")
      ->check(CLI::Range(1, 65'536))
      ->capture_default_str();
  const auto number = [&](const char* name, int& value, const char* what, int low, int high) {
    command->add_option(name, value, what)->check(CLI::Range(low, high))->capture_default_str();
  };
  number("--threads", contest.threads, "Search threads of a system in all; 0: usable cores", 0,
         256);
  number("--warmup", contest.warmup, "Steps before, whose answers are checked", 0, 100'000);
  number("--steps", contest.steps, "Measured steps a cell, at most", 1, 1'000'000);
  number("--rounds", contest.rounds, "Rounds, of which the median counts", 1, 1000);
  command
      ->add_option("--cell-seconds", contest.cell_seconds,
                   "A cell ends after this time, but not before 10 steps")
      ->check(CLI::Range(0.0, 3600.0))
      ->capture_default_str();
  command->add_option("--seed", contest.seed, "Of vectors, order and choices")
      ->capture_default_str();
  command->add_option("--folder", arguments->folder, "Where vectors and colonies lie for a while");
  command->add_flag("--failures", arguments->only_failures, "Only the failure rows");
  command->add_flag("--no-failures", arguments->no_failures, "Only the table");
  number("--fault-step", arguments->failures.step, "The step of a failure row's fault", 1, 100'000);
  number("--fault-steps", arguments->failures.steps, "Steps of an undisturbed failure row", 2,
         1'000'000);
  command->add_option("--watch-s", arguments->failures.watch_s, "Silence that counts as hanging")
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str();
  command->add_option("--json", arguments->json, "Write the figures to this file");
  command->add_option("--markdown", arguments->markdown, "Write the tables to this file");
  command->add_option("--svg", arguments->svg, "Draw the first table into this file");
  command->add_option("--from", arguments->from,
                      "Measure nothing: print and draw the figures of such a --json file");
  command->footer(
      "Rivals in Python need launch/setup --peers; without it their cells stay empty.\n"
      "Example: rookery bench blog --trainers 1,2,3,4 --actors 1,2,4 --json blog.json --svg "
      "blog.svg");
  command->callback([arguments] { run(*arguments); });
  add_workers(bench);
}

}  // namespace rookery::launch
