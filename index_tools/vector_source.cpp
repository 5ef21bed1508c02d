#include "index_tools/vector_source.hpp"

#include "base/checksum.hpp"
#include "base/error.hpp"
#include "base/mapped_file.hpp"
#include "index_tools/faiss/faiss_bridge.hpp"
#include "index_tools/npy_file.hpp"

#include <algorithm>
#include <string_view>

namespace rookery::index_tools {
namespace fs = std::filesystem;
namespace {

constexpr std::int64_t kDimensionMax = 65'536;
constexpr std::string_view kNpyMagic = "\x93NUMPY";

bool is_npy(const fs::path& path) {
  const base::MappedFile file(path);
  return file.bytes().size() >= kNpyMagic.size() &&
         std::equal(kNpyMagic.begin(), kNpyMagic.end(),
                    reinterpret_cast<const char*>(file.bytes().data()));
}

class NpySource final : public VectorSource {
 public:
  explicit NpySource(const std::vector<fs::path>& files) {
    for (const fs::path& path : files) {
      parts_.emplace_back(path);
      const NpyFile& part = parts_.back();
      if (!part.holds_floats() || part.axes() != 2 || part.columns() < 1 ||
          part.columns() > kDimensionMax || part.rows() < 1) {
        throw base::UserError(path.string() + ": expected vectors, an array [rows, dimension] of " +
                              "floats with a dimension in [1, 65536], got " + describe(part));
      }
      if (part.columns() != parts_.front().columns()) {
        throw base::UserError(path.string() + ": expected vectors of the dimension " +
                              std::to_string(parts_.front().columns()) + " of " +
                              parts_.front().path().string() + ", got " +
                              std::to_string(part.columns()));
      }
      begins_.push_back(count_);
      count_ += part.rows();
    }
  }

  [[nodiscard]] std::int64_t count() const override { return count_; }
  [[nodiscard]] std::int32_t dimension() const override {
    return static_cast<std::int32_t>(parts_.front().columns());
  }
  bool copy_row(std::int64_t row, std::span<float> out) const override {
    const std::size_t part = part_of(row);
    return parts_[part].copy_row(row - begins_[part], out);
  }
  [[nodiscard]] std::string where(std::int64_t row) const override {
    const std::size_t part = part_of(row);
    return parts_[part].path().string() + ": row " + std::to_string(row - begins_[part]);
  }
  [[nodiscard]] std::string fingerprint() const override {
    base::Sha256 hash;
    for (const NpyFile& part : parts_) hash.update(part.bytes());
    return hash.hex_digest();
  }

 private:
  static std::string describe(const NpyFile& part) {
    const std::string shape =
        part.axes() == 1 ? std::to_string(part.rows())
                         : std::to_string(part.rows()) + ", " + std::to_string(part.columns());
    return "[" + shape + "] of " + to_string(part.type());
  }
  [[nodiscard]] std::size_t part_of(std::int64_t row) const {
    return static_cast<std::size_t>(std::upper_bound(begins_.begin(), begins_.end(), row) -
                                    begins_.begin()) -
           1;
  }

  std::vector<NpyFile> parts_;
  std::vector<std::int64_t> begins_;  ///< first row of each part
  std::int64_t count_ = 0;
};

class FaissSource final : public VectorSource {
 public:
  explicit FaissSource(const fs::path& path)
      : path_(path), contents_(faiss_bridge().read_file(path)) {
    const FaissContents& found = contents_;
    if (found.count < 1 || found.dimension < 1 || found.dimension > kDimensionMax ||
        std::ssize(found.vectors) != found.count * found.dimension ||
        (!found.ids.empty() && std::ssize(found.ids) != found.count)) {
      throw base::UserError(path.string() + ": expected an index with vectors, got " +
                            std::to_string(found.count) + " of dimension " +
                            std::to_string(found.dimension) + " (" + found.type + ")");
    }
  }

  [[nodiscard]] std::int64_t count() const override { return contents_.count; }
  [[nodiscard]] std::int32_t dimension() const override { return contents_.dimension; }
  [[nodiscard]] std::string metric() const override { return contents_.metric; }
  [[nodiscard]] std::span<const std::int64_t> ids() const override { return contents_.ids; }
  [[nodiscard]] std::string loss() const override {
    return contents_.vectors_are_exact ? "" : "codes of an index of type " + contents_.type;
  }
  bool copy_row(std::int64_t row, std::span<float> out) const override {
    const auto width = static_cast<std::size_t>(contents_.dimension);
    std::copy_n(contents_.vectors.data() + static_cast<std::size_t>(row) * width, width,
                out.begin());
    return true;
  }
  [[nodiscard]] std::string where(std::int64_t row) const override {
    return path_.string() + ": row " + std::to_string(row);
  }
  [[nodiscard]] std::string fingerprint() const override {
    return base::sha256_hex(base::MappedFile(path_).bytes());
  }

 private:
  fs::path path_;
  FaissContents contents_;
};

}  // namespace

std::unique_ptr<VectorSource> open_vector_source(const std::vector<fs::path>& files) {
  if (files.empty()) {
    throw base::UserError("vectors: expected .npy files or one faiss index file, got none");
  }
  if (is_npy(files.front())) return std::make_unique<NpySource>(files);
  if (files.size() > 1) {
    throw base::UserError(files.front().string() + ": expected .npy files, as several were " +
                          "given, got something else; a faiss index file is imported alone");
  }
  return std::make_unique<FaissSource>(files.front());
}

}  // namespace rookery::index_tools
