#include "launch/detail/blog_cells.hpp"

#include <algorithm>
#include <set>

namespace rookery::launch::detail {

using Json = nlohmann::json;

std::vector<const Json*> cells_of(const Json& results, const CellFilter& filter) {
  std::vector<const Json*> found;
  for (const Json& cell : results.at("cells")) {
    const int actors = cell["actors"].is_null() ? 0 : cell["actors"].get<int>();
    if ((!filter.system.empty() && cell["system"] != filter.system) ||
        (filter.trainers && cell["trainers"] != *filter.trainers) ||
        (filter.actors && actors != *filter.actors) ||
        (filter.compute_ms && cell["compute_ms"] != *filter.compute_ms) ||
        (filter.vectors && cell["vectors"] != *filter.vectors)) {
      continue;
    }
    found.push_back(&cell);
  }
  return found;
}

std::optional<double> least(const Json& results, const CellFilter& filter,
                            const std::string& figure) {
  std::optional<double> value;
  for (const Json* cell : cells_of(results, filter)) {
    if (!cell->contains(figure) || !(*cell)[figure].is_number()) continue;
    value = std::min(value.value_or(1e300), (*cell)[figure].get<double>());
  }
  return value;
}

std::vector<int> actors_of(const Json& results, const std::string& system, std::int64_t vectors) {
  std::set<int> actors;
  for (const Json* cell : cells_of(results, {.system = system, .vectors = vectors})) {
    actors.insert((*cell)["actors"].is_null() ? 0 : (*cell)["actors"].get<int>());
  }
  return {actors.begin(), actors.end()};
}

std::vector<std::string> systems_of(const Json& results) {
  std::vector<std::string> names;
  for (const Json& cell : results.at("cells")) {
    const auto name = cell["system"].get<std::string>();
    if (std::ranges::find(names, name) == names.end()) names.push_back(name);
  }
  return names;
}

}  // namespace rookery::launch::detail
