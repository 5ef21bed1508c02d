#include "retriever_pool/filter_resolver.hpp"

#include <algorithm>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace rookery::retriever_pool {
namespace {

using index_tools::PassageView;
using index_tools::SnapshotShard;

constexpr std::size_t kRememberedMax = 16;  // filters whose rows are kept

/// The rows of every text that one field of the passages holds. Rows are sorted by the text's hash,
/// 16 bytes a row; the text itself is compared where it lies, in the mapped shard.
class TextRows {
 public:
  TextRows(const SnapshotShard& shard, std::string_view PassageView::*field) : field_(field) {
    rows_.reserve(static_cast<std::size_t>(shard.count()));
    for (std::int64_t row = 0; row < shard.count(); ++row) {
      rows_.emplace_back(hash(shard.passage(row).*field), row);
    }
    std::sort(rows_.begin(), rows_.end());
  }

  template <typename Visit>
  void for_each(const SnapshotShard& shard, std::string_view text, const Visit& visit) const {
    const std::size_t wanted = hash(text);
    auto item = std::lower_bound(rows_.begin(), rows_.end(), std::pair(wanted, std::int64_t{0}));
    for (; item != rows_.end() && item->first == wanted; ++item) {
      if (shard.passage(item->second).*field_ == text) visit(item->second);
    }
  }

 private:
  static std::size_t hash(std::string_view text) { return std::hash<std::string_view>{}(text); }

  std::string_view PassageView::*field_;
  std::vector<std::pair<std::size_t, std::int64_t>> rows_;
};

}  // namespace

struct FilterResolver::Impl {
  Impl(std::shared_ptr<const SnapshotShard> filtered, const PassageFilter& load_filter)
      : shard(std::move(filtered)), always(rows_of(load_filter)) {}

  /// Nothing when all rows are left.
  std::shared_ptr<const RowSet> rows_of(const PassageFilter& filter) {
    if (filter.empty()) return nullptr;
    RowSet rows(shard->count(), true);
    allow_ids(filter.allow_ids, rows);
    allow_texts(filter.allow_titles, &PassageView::title, rows);
    allow_texts(filter.allow_topics, &PassageView::topic, rows);
    for (const std::int64_t id : filter.deny_ids) {
      if (const auto row = shard->row_of(id)) rows.erase(*row);
    }
    const auto erase = [&](std::int64_t row) { rows.erase(row); };
    for (const auto& title : filter.deny_titles) titles().for_each(*shard, title, erase);
    for (const auto& topic : filter.deny_topics) topics().for_each(*shard, topic, erase);
    if (rows.count() == rows.rows()) return nullptr;
    return std::make_shared<const RowSet>(std::move(rows));
  }

  void allow_ids(const std::vector<std::int64_t>& ids, RowSet& rows) const {
    if (ids.empty()) return;
    RowSet allowed(shard->count(), false);
    for (const std::int64_t id : ids) {
      if (const auto row = shard->row_of(id)) allowed.insert(*row);
    }
    rows.intersect(allowed);
  }

  void allow_texts(const std::vector<std::string>& texts, std::string_view PassageView::*field,
                   RowSet& rows) {
    if (texts.empty()) return;
    RowSet allowed(shard->count(), false);
    const TextRows& known = field == &PassageView::title ? titles() : topics();
    for (const std::string& text : texts) {
      known.for_each(*shard, text, [&](std::int64_t row) { allowed.insert(row); });
    }
    rows.intersect(allowed);
  }

  // Read from the whole shard, so made when the first filter asks for them.
  const TextRows& titles() {
    std::call_once(titles_made, [this] { title_rows.emplace(*shard, &PassageView::title); });
    return *title_rows;
  }
  const TextRows& topics() {
    std::call_once(topics_made, [this] { topic_rows.emplace(*shard, &PassageView::topic); });
    return *topic_rows;
  }

  struct Remembered {
    PassageFilter filter;
    std::int64_t bytes;
    std::shared_ptr<const RowSet> rows;
  };

  std::shared_ptr<const SnapshotShard> shard;
  std::once_flag titles_made, topics_made;
  std::optional<TextRows> title_rows, topic_rows;
  std::shared_ptr<const RowSet> always;  // last of what its making needs
  std::mutex mutex;                      // guards what follows
  std::deque<Remembered> remembered;     // newest first
  std::int64_t remembered_bytes = 0;
};

FilterResolver::FilterResolver(std::shared_ptr<const SnapshotShard> shard,
                               const PassageFilter& always) {
  check_filter(always);
  impl_ = std::make_unique<Impl>(std::move(shard), always);
}
FilterResolver::~FilterResolver() = default;

std::shared_ptr<const RowSet> FilterResolver::resolve(const PassageFilter& filter) {
  if (filter.empty()) return impl_->always;
  {
    const std::lock_guard lock(impl_->mutex);
    for (const auto& known : impl_->remembered) {
      if (known.filter == filter) return known.rows;
    }
  }
  check_filter(filter);
  std::shared_ptr<const RowSet> rows = impl_->rows_of(filter);
  if (!rows) {
    rows = impl_->always;
  } else if (impl_->always) {
    RowSet both = *rows;
    both.intersect(*impl_->always);
    rows = std::make_shared<const RowSet>(std::move(both));
  }
  const std::lock_guard lock(impl_->mutex);
  impl_->remembered.push_front({filter, filter_bytes(filter), rows});
  impl_->remembered_bytes += impl_->remembered.front().bytes;
  while (impl_->remembered.size() > kRememberedMax ||
         (impl_->remembered.size() > 1 && impl_->remembered_bytes > 2 * kFilterBytesMax)) {
    impl_->remembered_bytes -= impl_->remembered.back().bytes;
    impl_->remembered.pop_back();
  }
  return rows;
}

}  // namespace rookery::retriever_pool
