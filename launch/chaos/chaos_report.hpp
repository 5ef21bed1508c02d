#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "launch/chaos/scenario.hpp"

namespace rookery::launch {

/// A scenario's lines on the terminal: what it is, how it ended, figures with limits.
std::string scenario_text(const ScenarioReport& report, bool brief);
/// `{"machine", "seed", "short", "scenarios": [{"id", "title", "status", …}]}`.
nlohmann::json chaos_json(const std::vector<ScenarioReport>& reports, std::uint64_t seed,
                          bool brief);
/// The same as a Markdown table.
std::string chaos_markdown(const std::vector<ScenarioReport>& reports, std::uint64_t seed,
                           bool brief);

}  // namespace rookery::launch
