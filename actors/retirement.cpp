#include "actors/retirement.hpp"

#include <algorithm>
#include <cstdint>

namespace rookery::actors {

std::vector<std::pair<std::string, std::string>> Retirement::due(
    const std::vector<RetiredSight>& retired, Time now) {
  std::erase_if(ages_, [&](const auto& item) {
    return std::none_of(retired.begin(), retired.end(), [&](const RetiredSight& sight) {
      return Key{sight.index, sight.generation} == item.first;
    });
  });
  std::map<std::string, std::uint64_t> newest;  // of an index
  for (const RetiredSight& sight : retired) {
    const auto [item, fresh] =
        ages_.try_emplace({sight.index, sight.generation}, Age{now, next_order_});
    if (fresh) ++next_order_;
    auto& order = newest[sight.index];
    order = std::max(order, item->second.order);
  }
  std::vector<Key> ends;
  for (const RetiredSight& sight : retired) {
    const Age& age = ages_.at({sight.index, sight.generation});
    const bool kept = age.order == newest.at(sight.index) && now - age.since < retain_;
    if (!kept && !sight.leased && !sight.needed) ends.emplace_back(sight.index, sight.generation);
  }
  return ends;
}

}  // namespace rookery::actors
