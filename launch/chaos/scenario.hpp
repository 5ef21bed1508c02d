#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/stop_signal.hpp"
#include "launch/chaos/chaos_load.hpp"

namespace rookery::launch {

/// One number that a scenario must hold.
struct Figure {
  std::string name;
  double value = 0, limit = 0;
  std::string unit;       ///< "ms", "s", "x", "%", "" for counts
  bool at_least = false;  ///< `value` >= `limit`; else <=
  bool timing = false;    ///< depends on how fast the machine is: a short run prints, judges not
  [[nodiscard]] bool holds() const { return at_least ? value >= limit : value <= limit; }
};

enum class ScenarioStatus { kPass, kFail, kSkip };
std::string to_string(ScenarioStatus status);

/// How one scenario went.
struct ScenarioReport {
  std::string id, title;
  ScenarioStatus status = ScenarioStatus::kPass;
  std::string reason;                  ///< of a failure or a skip
  std::int64_t calls = 0, errors = 0;  ///< explicit errors before the deadline, allowed or not
  std::int64_t lost = 0, wrong = 0, late = 0, duplicate = 0;
  std::vector<Figure> figures;
  std::vector<std::string> notes;
  double seconds = 0;

  void count(const std::string& name, double value, double limit);  ///< <=
  void at_least(const std::string& name, double value, double limit, const std::string& unit = "");
  void timing(const std::string& name, double value, double limit, const std::string& unit);
  /// Decides `status` from the counts and figures, unless it is decided.
  void conclude(bool brief);
};

/// What this machine or this build does not permit; the reason is printed.
struct SkipScenario : std::runtime_error {
  using std::runtime_error::runtime_error;
};
/// The user pressed Ctrl-C.
struct ChaosInterrupted : std::runtime_error {
  ChaosInterrupted() : std::runtime_error("interrupted") {}
};

/// What the scenarios of one run share.
struct ScenarioRoom {
  std::filesystem::path folder;  ///< scratch
  std::uint64_t seed = 1;
  bool brief = false;  ///< seconds instead of minutes
  bool keyed = false;  ///< colonies with keys: CURVE and TLS
  ChaosCorpus corpus;
  std::filesystem::path snapshot;  ///< `NAME`, one generation of `corpus` from `seed`
  ChaosOracle oracle;
  double capacity = 0;  ///< queries per second that a colony of it answers, once measured
  const base::StopSignal* stop = nullptr;
  int colonies = 0;  ///< started so far: each has a home of its own

  [[nodiscard]] double rate() const;  ///< 35 % of the capacity, at most 150 a second
  /// Sleeps; throws `ChaosInterrupted`.
  void rest(double seconds) const;
  /// Until `done()`; false after `seconds`.
  bool wait_until(const std::function<bool()>& done, double seconds) const;
};

struct Scenario {
  std::string id, title;
  bool in_short;  ///< belongs to the set that every test run runs
  std::function<void(ScenarioRoom&, ScenarioReport&)> run;
};

/// All scenarios by number.
std::vector<Scenario> all_scenarios();
std::vector<Scenario> kill_scenarios();
std::vector<Scenario> freeze_scenarios();
std::vector<Scenario> network_scenarios();
std::vector<Scenario> control_scenarios();
std::vector<Scenario> file_scenarios();
std::vector<Scenario> input_scenarios();
std::vector<Scenario> port_scenarios();
std::vector<Scenario> load_scenarios();
std::vector<Scenario> swap_scenarios();

/// Makes the room: the snapshot and the oracle. Throws `UserError` when the folder is no use.
ScenarioRoom make_room(const std::filesystem::path& folder, std::uint64_t seed, bool brief,
                       const base::StopSignal* stop);
/// Runs one to its end, whatever happens in it.
ScenarioReport run_scenario(const Scenario& scenario, ScenarioRoom& room);

}  // namespace rookery::launch
