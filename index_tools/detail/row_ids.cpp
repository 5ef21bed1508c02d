#include "index_tools/detail/row_ids.hpp"

#include "base/checksum.hpp"
#include "base/error.hpp"
#include "index_tools/npy_file.hpp"

#include <algorithm>
#include <numeric>

namespace rookery::index_tools::detail {

RowIds::RowIds(std::span<const std::int64_t> ids, std::int64_t count, const std::string& where)
    : count_(count), ids_(ids.begin(), ids.end()) {
  sort(where);
}

RowIds::RowIds(const std::filesystem::path& npy, std::int64_t count) : count_(count) {
  const NpyFile file(npy);
  if (file.holds_floats() || file.columns() != 1) {
    throw base::UserError(npy.string() + ": expected one column of integers (<i8 or <i4), got " +
                          std::to_string(file.columns()) + " of " + to_string(file.type()));
  }
  if (file.rows() != count) {
    throw base::UserError(npy.string() + ": expected an id for each of the " +
                          std::to_string(count) + " vectors, got " + std::to_string(file.rows()));
  }
  ids_.reserve(static_cast<std::size_t>(count));
  for (std::int64_t row = 0; row < count; ++row) ids_.push_back(file.integer(row));
  sort(npy.string());
}

void RowIds::sort(const std::string& where) {
  for (std::size_t row = 0; row < ids_.size(); ++row) {
    if (ids_[row] >= 0) continue;
    throw base::UserError(where + ": the id of row " + std::to_string(row) +
                          ": expected a number from 0, got " + std::to_string(ids_[row]));
  }
  const auto id = [&](std::int64_t row) { return ids_[static_cast<std::size_t>(row)]; };
  if (!std::is_sorted(ids_.begin(), ids_.end())) {
    order_.resize(ids_.size());
    std::iota(order_.begin(), order_.end(), 0);
    std::sort(order_.begin(), order_.end(), [&](std::int64_t a, std::int64_t b) {
      return id(a) != id(b) ? id(a) < id(b) : a < b;
    });
  }
  for (std::int64_t place = 1; place < std::ssize(ids_); ++place) {
    if (id(row_at(place)) != id(row_at(place - 1))) continue;
    throw base::UserError(
        where + ": expected every id once, got " + std::to_string(id(row_at(place))) + " in rows " +
        std::to_string(row_at(place - 1)) + " and " + std::to_string(row_at(place)));
  }
}

std::string RowIds::fingerprint() const { return base::sha256_hex(std::as_bytes(std::span(ids_))); }

}  // namespace rookery::index_tools::detail
