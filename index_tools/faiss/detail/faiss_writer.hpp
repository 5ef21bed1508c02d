#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

#include "base/atomic_file.hpp"
#include "index_tools/faiss/faiss_bridge.hpp"

namespace rookery::index_tools::detail {

/// Writes faiss's byte order to a file that appears whole or not at all. Vectors go straight from
/// where they are mapped to the file.
class FaissWriter {
 public:
  explicit FaissWriter(const std::filesystem::path& path) : file_(path) {}
  void letters(std::string_view four) { file_.write(four); }
  template <typename T>
  void value(const T& value) {
    file_.write(std::as_bytes(std::span(&value, 1)));
  }
  /// With its length before it, in items.
  template <typename Values>
  void array(const Values& values) {
    value(static_cast<std::uint64_t>(values.size()));
    file_.write(std::as_bytes(std::span(values)));
  }
  void head(const VectorsView& rows);
  /// A whole flat index.
  void flat(const VectorsView& rows);
  void commit() { file_.commit(); }

 private:
  base::AtomicFile file_;
};

}  // namespace rookery::index_tools::detail
