#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace rookery::index_tools {

/// Vectors that were made elsewhere, by row. Use from one thread.
class VectorSource {
 public:
  virtual ~VectorSource() = default;
  [[nodiscard]] virtual std::int64_t count() const = 0;
  [[nodiscard]] virtual std::int32_t dimension() const = 0;
  /// "inner_product" or "l2" where the file says so, else empty.
  [[nodiscard]] virtual std::string metric() const { return {}; }
  /// What passages are called, `[count]`, where the file says so; else empty.
  [[nodiscard]] virtual std::span<const std::int64_t> ids() const { return {}; }
  /// Why the vectors are not those that were encoded ("codes of an index of type ivfpq"); empty
  /// when they are.
  [[nodiscard]] virtual std::string loss() const { return {}; }
  /// `out` is `[dimension]`. Returns false when a number had to be rounded.
  virtual bool copy_row(std::int64_t row, std::span<float> out) const = 0;
  /// `FILE: row 7`, counted from 0 within that file, for messages.
  [[nodiscard]] virtual std::string where(std::int64_t row) const = 0;
  /// Hex SHA-256 of all bytes. Reads all of them.
  [[nodiscard]] virtual std::string fingerprint() const = 0;
};

/// Opens `.npy` parts, whose rows follow one another, or one faiss index file; what a file is, its
/// first bytes tell. Throws `UserError` for no files, parts of several dimensions, integers, a file
/// without rows, and all that `NpyFile` and `FaissBridge::read_file` refuse.
std::unique_ptr<VectorSource> open_vector_source(const std::vector<std::filesystem::path>& files);

}  // namespace rookery::index_tools
