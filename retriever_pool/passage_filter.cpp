#include "retriever_pool/passage_filter.hpp"

#include <algorithm>
#include <string>

#include "retriever_pool/retriever.hpp"

namespace rookery::retriever_pool {
namespace {

[[noreturn]] void refuse(const std::string& message) {
  throw RetrievalError(RetrievalFault::kInvalid, message);
}

}  // namespace

bool PassageFilter::empty() const {
  return allow_ids.empty() && deny_ids.empty() && allow_titles.empty() && deny_titles.empty() &&
         allow_topics.empty() && deny_topics.empty();
}

std::int64_t filter_bytes(const PassageFilter& filter) {
  std::int64_t bytes =
      (std::ssize(filter.allow_ids) + std::ssize(filter.deny_ids)) * std::int64_t{8};
  for (const auto* list :
       {&filter.allow_titles, &filter.deny_titles, &filter.allow_topics, &filter.deny_topics}) {
    for (const std::string& text : *list) bytes += std::ssize(text) + 4;
  }
  return bytes;
}

std::vector<std::string> entry_lines(std::string_view text) {
  std::vector<std::string> entries;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty()) entries.emplace_back(line);
  }
  return entries;
}

void check_filter(const PassageFilter& filter) {
  const std::int64_t entries = std::ssize(filter.allow_ids) + std::ssize(filter.deny_ids) +
                               std::ssize(filter.allow_titles) + std::ssize(filter.deny_titles) +
                               std::ssize(filter.allow_topics) + std::ssize(filter.deny_topics);
  if (entries > kFilterEntriesMax) {
    refuse("filter: expected at most " + std::to_string(kFilterEntriesMax) +
           " entries in all lists, got " + std::to_string(entries));
  }
  const std::int64_t bytes = filter_bytes(filter);
  if (bytes > kFilterBytesMax) {
    refuse("filter: expected at most " + std::to_string(kFilterBytesMax) +
           " bytes in all lists, got " + std::to_string(bytes));
  }
}

}  // namespace rookery::retriever_pool
