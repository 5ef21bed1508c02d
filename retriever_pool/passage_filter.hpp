#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace rookery::retriever_pool {

/// Which passages may be found: one that is in every allow list that is not empty and in no deny
/// list. Titles and topics are compared byte for byte. An allow list that names nothing of the
/// index leaves nothing to find.
struct PassageFilter {
  std::vector<std::int64_t> allow_ids, deny_ids;
  std::vector<std::string> allow_titles, deny_titles, allow_topics, deny_topics;

  [[nodiscard]] bool empty() const;
  friend bool operator==(const PassageFilter&, const PassageFilter&) = default;
};

/// The lines of a list's file, one entry each; empty lines are skipped, a carriage return at the
/// end of a line is dropped.
std::vector<std::string> entry_lines(std::string_view text);

/// What its entries take on the wire: 8 bytes an id, 4 and its bytes a text.
std::int64_t filter_bytes(const PassageFilter& filter);

/// Entries of all lists together, and their bytes; more are refused before anything is allocated.
inline constexpr std::int64_t kFilterEntriesMax = 1 << 20;
inline constexpr std::int64_t kFilterBytesMax = 16 << 20;
/// Throws `RetrievalError` (kInvalid) with what was expected and what came.
void check_filter(const PassageFilter& filter);

}  // namespace rookery::retriever_pool
