#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "base/atomic_file.hpp"
#include "base/mapped_file.hpp"

namespace rookery::index_tools {

/// Elements of a `.npy` file, all little-endian: `<f2`, `<f4`, `<f8`, `<i4`, `<i8`.
enum class NpyType : std::uint8_t { kFloat16, kFloat32, kFloat64, kInt32, kInt64 };
/// "<f4", as it stands in a header.
std::string to_string(NpyType type);
/// Bytes of one element.
std::int64_t element_bytes(NpyType type);

/// What the header of a `.npy` file says (numpy's format, versions 1.0 to 3.0).
struct NpyHeader {
  NpyType type = NpyType::kFloat32;
  std::int32_t axes = 2;       ///< 1 or 2
  std::int64_t rows = 0;       ///< the first axis
  std::int64_t columns = 1;    ///< the second axis; 1 where there is none
  std::size_t data_begin = 0;  ///< where the elements begin, in bytes

  /// Reads the header and checks that exactly `rows * columns` elements follow it. Throws
  /// `UserError` naming `where`: another magic or version, a header that is not the dictionary of
  /// `descr`, `fortran_order` and `shape`, an element type that is not above, column order, more
  /// than two axes, bytes missing or left over.
  static NpyHeader parse(std::span<const std::byte> bytes, const std::string& where);
};

/// A mapped `.npy` file of one or two axes. Immutable: any thread may read.
class NpyFile {
 public:
  /// Throws `UserError` for what cannot be mapped or what `NpyHeader::parse` refuses.
  explicit NpyFile(const std::filesystem::path& path);

  [[nodiscard]] const std::filesystem::path& path() const { return file_.path(); }
  [[nodiscard]] NpyType type() const { return header_.type; }
  [[nodiscard]] std::int32_t axes() const { return header_.axes; }
  [[nodiscard]] std::int64_t rows() const { return header_.rows; }
  [[nodiscard]] std::int64_t columns() const { return header_.columns; }
  [[nodiscard]] bool holds_floats() const { return header_.type <= NpyType::kFloat64; }
  /// The whole file.
  [[nodiscard]] std::span<const std::byte> bytes() const { return file_.bytes(); }
  /// `row` in `[0, rows)`, `out` is `[columns]`; float16 is widened exactly, float64 rounded to
  /// nearest. Returns whether every element is the same number as in the file. Only for floats.
  bool copy_row(std::int64_t row, std::span<float> out) const;
  /// Element of a file of one column of integers.
  [[nodiscard]] std::int64_t integer(std::int64_t row) const;

 private:
  base::MappedFile file_;
  NpyHeader header_;
};

/// Writes a `.npy` file of version 1.0 row by row; it appears whole at `finish`, or not at all.
class NpyWriter {
 public:
  /// `axes` of 1 needs one column. The header is written now, so the rows are promised here.
  NpyWriter(const std::filesystem::path& path, const NpyHeader& shape);
  /// Elements as they shall lie in the file, any number of them at a time.
  void write(std::span<const std::byte> elements);
  /// Throws `std::logic_error` when other than the promised elements came.
  void finish();

 private:
  base::AtomicFile file_;
  std::int64_t bytes_missing_ = 0;
};

/// A whole array at once: floats `[values.size() / columns, columns]`, integers `[values.size()]`.
void write_npy(const std::filesystem::path& path, std::span<const float> values,
               std::int64_t columns);
void write_npy(const std::filesystem::path& path, std::span<const std::int32_t> values);
void write_npy(const std::filesystem::path& path, std::span<const std::int64_t> values);

}  // namespace rookery::index_tools
