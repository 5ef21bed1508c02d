#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "launch/blog_table.hpp"
#include "launch/detail/blog_cells.hpp"

namespace rookery::launch {
namespace {

using detail::CellFilter;
using detail::least;
using Json = nlohmann::json;

constexpr std::int64_t kLarge = 10'000;  // from so many vectors on search, not overhead, counts

/// The quickest of several systems in one setting.
std::optional<double> quickest(const Json& results, const std::vector<std::string>& systems,
                               CellFilter setting) {
  std::optional<double> value;
  for (const std::string& system : systems) {
    setting.system = system;
    if (const auto one = least(results, setting, "all_p50_s")) {
      value = std::min(value.value_or(*one), *one);
    }
  }
  return value;
}

}  // namespace

Json blog_marks(const Json& results) {
  struct Mark {
    const char* name;
    std::vector<std::string> rivals, ours;
    bool large;      // of the large index, else of the small one
    bool all_from2;  // in every cell of 2 trainers or more, else at the most trainers
    double wanted;
  };
  const std::vector<std::string> every = {"torch", "torch-best", "rank0",      "rank0-best",
                                          "ray",   "ray-best",   "ray-policy", "ray-policy-best"};
  const std::vector<std::string> exact = {"pool", "pool-shards"};
  const std::vector<std::string> int8 = {"pool-int8", "pool-shards-int8"};
  const std::vector<Mark> marks = {
      {"ahead of every rival with 2 trainers or more, exact float", every, exact, true, true, 1},
      {"rank 0 (C++) at its defaults ÷ pool, float", {"rank0"}, exact, true, false, 6},
      {"torch.distributed at its defaults ÷ pool, float", {"torch"}, exact, true, false, 6},
      {"Ray at its defaults ÷ pool, float", {"ray"}, exact, true, false, 5},
      {"rank 0 and Ray at their best ÷ pool, float",
       {"rank0-best", "torch-best", "ray-best"},
       exact,
       true,
       false,
       2},
      {"rank 0 and Ray at their best ÷ pool, int8",
       {"rank0-best", "torch-best", "ray-best"},
       int8,
       true,
       false,
       3},
      {"Ray ÷ pool, small index: overhead only", {"ray", "ray-best"}, exact, false, false, 10},
  };
  int most = 0;
  for (const Json& cell : results.at("cells"))
    most = std::max(most, cell.at("trainers").get<int>());
  Json list = Json::array();
  for (const Mark& mark : marks) {
    std::optional<double> got;
    for (const Json& cell : results.at("cells")) {
      const int trainers = cell.at("trainers");
      const std::int64_t vectors = cell.at("vectors");
      const bool counts = mark.all_from2 ? trainers >= 2 : trainers == most;
      const int compute_ms = cell.at("compute_ms");
      if (!counts || (vectors >= kLarge) != mark.large) continue;
      if (compute_ms != 0 && !mark.all_from2) continue;
      const CellFilter setting = {
          .trainers = trainers, .compute_ms = compute_ms, .vectors = vectors};
      const auto rival = quickest(results, mark.rivals, setting);
      const auto mine = quickest(results, mark.ours, setting);
      if (rival && mine) got = std::min(got.value_or(1e300), *rival / *mine);
    }
    list.push_back({{"mark", mark.name},
                    {"wanted", mark.wanted},
                    {"got", got ? Json(*got) : Json()},
                    {"met", got && *got >= mark.wanted}});
  }
  return list;
}

}  // namespace rookery::launch
