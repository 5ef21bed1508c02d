#pragma once

#include <nlohmann/json.hpp>

#include "serving/answerer.hpp"

namespace rookery::serving::detail {

/// What an answer was written from, in order of first use: `id`, `title`, `source_id` of each.
inline nlohmann::ordered_json passages_of(const Answer& answer) {
  auto list = nlohmann::ordered_json::array();
  for (const auto& passage : answer.passages()) {
    list.push_back(
        {{"id", passage->id}, {"title", passage->title}, {"source_id", passage->source_id}});
  }
  return list;
}

}  // namespace rookery::serving::detail
