#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace rookery::launch::detail {

/// Which cells are meant; nothing: all.
struct CellFilter {
  std::string system = {};
  std::optional<int> trainers = {}, actors = {}, compute_ms = {};
  std::optional<std::int64_t> vectors = {};
};

/// The cells that a filter lets through, in their order.
std::vector<const nlohmann::json*> cells_of(const nlohmann::json& results,
                                            const CellFilter& filter);
/// The figure of the cell with the least one; nothing when there is none.
std::optional<double> least(const nlohmann::json& results, const CellFilter& filter,
                            const std::string& figure);
/// The numbers of actors of a system's cells, rising; {0} for a design without.
std::vector<int> actors_of(const nlohmann::json& results, const std::string& system,
                           std::int64_t vectors);
/// The systems of the cells, each once, in their order.
std::vector<std::string> systems_of(const nlohmann::json& results);

}  // namespace rookery::launch::detail
