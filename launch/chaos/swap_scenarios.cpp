// F15, F31: generations and keys.
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "base/atomic_file.hpp"
#include "index_tools/snapshot.hpp"
#include "launch/chaos/scenario.hpp"
#include "launch/chaos/trial.hpp"

namespace rookery::launch {
namespace {

namespace fs = std::filesystem;

void swaps(ScenarioRoom& room, ScenarioReport& report) {
  // Two generations beside each other, and a third whose file is damaged.
  const auto blue = room.folder / "blue", green = room.folder / "green",
             bad = room.folder / "bad-index";
  fs::copy(room.snapshot, blue, fs::copy_options::recursive | fs::copy_options::copy_symlinks);
  write_chaos_snapshot(green, room.corpus, room.seed + 1);
  room.oracle.add(green, room.corpus, room.seed + 1);
  write_chaos_snapshot(bad, room.corpus, room.seed + 2);
  const auto vectors = index_tools::resolve_generation(bad) / "shard-1" / "vectors";
  {
    std::fstream file(vectors, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(1000);
    file.put('!');
  }
  const auto kept = room.snapshot;
  room.snapshot = blue;
  TrialOptions options;
  Trial trial(room, report, options);
  room.snapshot = kept;
  if (trial.colony().rookery({"swap", "--help"}).first != 0) {
    throw SkipScenario("this rookery has no swap command");
  }
  trial.measure_healthy(room.brief ? 1.5 : 8);
  const double begin = trial.now();
  // The rows of the two have nothing in common, so that their answers have not either.
  const auto swap_to = [&](const fs::path& snapshot) {
    return trial.colony().rookery(
        {"swap", trial.colony().name(), snapshot.string(), "--recall-min", "0", "--wait"},
        std::chrono::minutes(2));
  };
  const int wanted = room.brief ? 2 : 20;
  int done = 0;
  double during = 0;
  for (int i = 0; i < wanted; ++i) {
    const auto [code, words] = swap_to(i % 2 == 0 ? green : blue);
    done += code == 0;
    if (code != 0 && report.notes.size() < 4) report.notes.push_back(words.substr(0, 300));
    during = trial.now();
  }
  const auto [bad_code, bad_words] = swap_to(bad);
  const auto live = trial.colony().status().generation;
  trial.finish();
  const auto sum = summarise(trial.calls(), 0, 1e9);
  report.count("swaps that did not succeed", wanted - done, 0);
  report.at_least("generations that answered", static_cast<double>(sum.by_generation.size()), 2);
  report.at_least("the bad one was refused", bad_code != 0 ? 1 : 0, 1);
  report.at_least("and the old one is live",
                  live == index_tools::load_manifest(wanted % 2 == 0 ? blue : green).generation, 1);
  report.timing("p99 during swaps / healthy", trial.p99_ratio(begin, during), 1.2, "x");
  report.notes.push_back("the bad one: " + bad_words.substr(0, 200));
}

}  // namespace

std::vector<Scenario> swap_scenarios() {
  return {{"F15", "swaps under load, one of them to a damaged snapshot", true, swaps}};
}

}  // namespace rookery::launch
