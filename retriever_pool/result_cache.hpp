#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "retriever_pool/retriever.hpp"

namespace rookery::base {
class Metrics;
}

namespace rookery::retriever_pool {

/// Complete answers of one generation by the bytes of their request; the one that was not asked for
/// longest goes first. Thread-safe.
class ResultCache {
 public:
  /// `bytes_max` 0 keeps nothing. `metrics` may be null, else it outlives the cache.
  ResultCache(std::int64_t bytes_max, base::Metrics* metrics);
  ~ResultCache();

  /// The answer to the same request in this generation, marked as cached; nothing when it is not
  /// here. Another generation than the one before empties the cache.
  [[nodiscard]] std::optional<RetrievalAnswer> find(const std::string& generation,
                                                    std::string_view request);
  /// Remembers a complete answer of the generation that was last looked for; others are not kept.
  void put(std::string request, const RetrievalAnswer& answer);
  [[nodiscard]] std::int64_t bytes() const;
  [[nodiscard]] bool enabled() const { return bytes_max_ > 0; }

 private:
  struct Entry {
    std::string request;
    RetrievalAnswer answer;
    std::int64_t bytes = 0;
  };
  using Entries = std::list<Entry>;  // the newest first
  void drop_last();

  std::int64_t bytes_max_;
  mutable std::mutex mutex_;
  std::string generation_;
  Entries entries_;
  std::unordered_map<std::string_view, Entries::iterator> places_;  // by bytes of the entries
  std::int64_t bytes_ = 0;
  struct Counters;
  std::unique_ptr<Counters> counters_;  // null without metrics
};

}  // namespace rookery::retriever_pool
