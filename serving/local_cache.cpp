#include "serving/local_cache.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

namespace rookery::serving {

LocalCache::LocalCache(retriever_pool::Metric metric, std::int32_t passages_max)
    : metric_(metric), passages_max_(static_cast<std::size_t>(passages_max)) {
  if (passages_max < 1) {
    throw std::invalid_argument("LocalCache: expected room for at least 1 passage, got " +
                                std::to_string(passages_max));
  }
}

void LocalCache::insert(Passage passage) {
  if (passage == nullptr || passage->vector.empty()) {
    throw std::invalid_argument("LocalCache: expected a document with its vector");
  }
  std::erase_if(passages_, [&](const Passage& p) { return p->id == passage->id; });
  passages_.push_back(std::move(passage));
  if (passages_.size() > passages_max_) passages_.erase(passages_.begin());
}

Passage LocalCache::best(std::span<const float> query) const {
  Passage found;
  retriever_pool::Hit top{};
  for (const Passage& passage : passages_) {
    if (passage->vector.size() != query.size()) {
      throw std::invalid_argument("LocalCache: expected a query of " +
                                  std::to_string(passage->vector.size()) + " floats, got " +
                                  std::to_string(query.size()));
    }
    const retriever_pool::Hit hit{passage->id,
                                  retriever_pool::exact_score(metric_, query, passage->vector)};
    if (found == nullptr || retriever_pool::better(hit, top)) {
      found = passage;
      top = hit;
    }
  }
  return found;
}

}  // namespace rookery::serving
