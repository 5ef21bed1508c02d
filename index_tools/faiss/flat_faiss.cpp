#include <stdexcept>

#include "index_tools/faiss/detail/faiss_calls.hpp"
#include "index_tools/faiss/detail/faiss_writer.hpp"

namespace rookery::index_tools::detail {

void FaissWriter::head(const VectorsView& rows) {
  constexpr std::int64_t kUnused = 1 << 20;
  value(rows.dimension);
  value(static_cast<std::int64_t>(rows.vectors.size()) / rows.dimension);
  value(kUnused);
  value(kUnused);
  value(std::uint8_t{1});                // trained
  value(std::int32_t{rows.l2 ? 1 : 0});  // the metric
}

void FaissWriter::flat(const VectorsView& rows) {
  letters(rows.l2 ? "IxF2" : "IxFI");
  head(rows);
  array(rows.vectors);
}

void write_faiss_flat(const std::filesystem::path& path, const VectorsView& rows,
                      std::span<const std::int64_t> ids) {
  const std::int64_t count = checked_rows(rows, path.string());
  if (!ids.empty() && std::ssize(ids) != count) {
    throw std::invalid_argument(path.string() + ": expected " + std::to_string(count) +
                                " ids or none, got " + std::to_string(ids.size()));
  }
  FaissWriter file(path);
  if (!ids.empty()) {
    file.letters("IxM2");
    file.head(rows);
  }
  file.flat(rows);
  if (!ids.empty()) file.array(ids);
  file.commit();
}

}  // namespace rookery::index_tools::detail
