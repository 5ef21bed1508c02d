#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace rookery::index_tools::detail {

/// What the rows of an import are called, and the order in which they are written: ids rising.
/// Every id is at least 0 and comes once; else the constructors throw `UserError` naming both rows.
class RowIds {
 public:
  /// No ids: a row is called by its number. `where` names the first row of their file.
  RowIds(std::span<const std::int64_t> ids, std::int64_t count, const std::string& where);
  /// Reads a `.npy` of integers, one a row; another number than `count` is refused with both.
  RowIds(const std::filesystem::path& npy, std::int64_t count);

  [[nodiscard]] std::int64_t count() const { return count_; }
  [[nodiscard]] std::int64_t id_of(std::int64_t row) const {
    return ids_.empty() ? row : ids_[static_cast<std::size_t>(row)];
  }
  /// The row that comes at a place of the order of ids.
  [[nodiscard]] std::int64_t row_at(std::int64_t place) const {
    return order_.empty() ? place : order_[static_cast<std::size_t>(place)];
  }
  /// Whether rows are in the order of their ids.
  [[nodiscard]] bool rise() const { return order_.empty(); }
  /// Whether every row is called by its number.
  [[nodiscard]] bool are_rows() const { return rise() && largest() == count_ - 1; }
  [[nodiscard]] std::int64_t largest() const { return id_of(row_at(count_ - 1)); }
  /// Hex SHA-256 of the ids.
  [[nodiscard]] std::string fingerprint() const;

 private:
  void sort(const std::string& where);
  std::int64_t count_;
  std::vector<std::int64_t> ids_;    ///< by row; empty: the row itself
  std::vector<std::int64_t> order_;  ///< rows by rising id; empty: as they are
};

}  // namespace rookery::index_tools::detail
