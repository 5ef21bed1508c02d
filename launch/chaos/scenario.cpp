#include "launch/chaos/scenario.hpp"

#include <algorithm>
#include <thread>

namespace rookery::launch {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kRateMax = 150;
constexpr double kShareOfCapacity = 0.35;
constexpr std::int32_t kQueries = 64;
constexpr std::int32_t kDocuments = 5;

double number_of(const std::string& id) { return std::stod(id.substr(1)); }

}  // namespace

std::string to_string(ScenarioStatus status) {
  switch (status) {
    case ScenarioStatus::kPass:
      return "pass";
    case ScenarioStatus::kFail:
      return "fail";
    case ScenarioStatus::kSkip:
      return "skip";
  }
  return "";
}

void ScenarioReport::count(const std::string& name, double value, double limit) {
  figures.push_back({name, value, limit, "", false, false});
}
void ScenarioReport::at_least(const std::string& name, double value, double limit,
                              const std::string& unit) {
  figures.push_back({name, value, limit, unit, true, false});
}
void ScenarioReport::timing(const std::string& name, double value, double limit,
                            const std::string& unit) {
  figures.push_back({name, value, limit, unit, false, true});
}

void ScenarioReport::conclude(bool brief) {
  if (status != ScenarioStatus::kPass) return;
  const auto fail = [&](const std::string& why) {
    status = ScenarioStatus::kFail;
    if (!reason.empty()) reason += "; ";
    reason += why;
  };
  for (const auto& [name, value] : {std::pair{"lost", lost}, std::pair{"wrong", wrong},
                                    std::pair{"late", late}, std::pair{"duplicate", duplicate}}) {
    if (value > 0) fail(std::to_string(value) + " " + name);
  }
  for (const Figure& figure : figures) {
    if (!figure.holds() && !(brief && figure.timing)) fail(figure.name);
  }
}

double ScenarioRoom::rate() const {
  return capacity > 0 ? std::clamp(capacity * kShareOfCapacity, 10.0, kRateMax) : 60;
}

void ScenarioRoom::rest(double seconds) const {
  const auto time =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::duration<double>(seconds));
  if (stop == nullptr) {
    std::this_thread::sleep_for(time);
  } else if (stop->wait(time)) {
    throw ChaosInterrupted();
  }
}

bool ScenarioRoom::wait_until(const std::function<bool()>& done, double seconds) const {
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  while (!done()) {
    if (Clock::now() >= end) return false;
    rest(0.005);
  }
  return true;
}

std::vector<Scenario> all_scenarios() {
  std::vector<Scenario> all;
  for (auto* group :
       {kill_scenarios, freeze_scenarios, network_scenarios, control_scenarios, file_scenarios,
        input_scenarios, port_scenarios, load_scenarios, swap_scenarios}) {
    auto some = group();
    all.insert(all.end(), std::make_move_iterator(some.begin()),
               std::make_move_iterator(some.end()));
  }
  std::sort(all.begin(), all.end(),
            [](const Scenario& a, const Scenario& b) { return number_of(a.id) < number_of(b.id); });
  return all;
}

ScenarioRoom make_room(const std::filesystem::path& folder, std::uint64_t seed, bool brief,
                       const base::StopSignal* stop) {
  ChaosCorpus corpus;  // a search takes a millisecond or two
  if (brief) {
    corpus.rows = 3000;
    corpus.dimension = 256;
  }
  ScenarioRoom room{folder,
                    seed,
                    brief,
                    false,
                    corpus,
                    folder / "index",
                    ChaosOracle(kQueries, kDocuments, corpus.dimension, seed),
                    0,
                    stop,
                    0};
  write_chaos_snapshot(room.snapshot, corpus, seed);
  room.oracle.add(room.snapshot, corpus, seed);
  return room;
}

ScenarioReport run_scenario(const Scenario& scenario, ScenarioRoom& room) {
  ScenarioReport report;
  report.id = scenario.id;
  report.title = scenario.title;
  const auto begin = Clock::now();
  try {
    scenario.run(room, report);
    report.conclude(room.brief);
  } catch (const SkipScenario& skip) {
    report.status = ScenarioStatus::kSkip;
    report.reason = skip.what();
  } catch (const ChaosInterrupted&) {
    throw;
  } catch (const std::exception& error) {
    report.status = ScenarioStatus::kFail;
    report.reason = error.what();
  }
  report.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  return report;
}

}  // namespace rookery::launch
