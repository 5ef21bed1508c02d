#include "index_tools/ivfpq_lists.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>

#include "base/error.hpp"
#include "base/thread_team.hpp"
#include "index_tools/centroid_shard.hpp"
#include "index_tools/detail/generation_file.hpp"
#include "index_tools/faiss/faiss_bridge.hpp"

namespace rookery::index_tools {
namespace {

using base::UserError;

constexpr std::array<char, 8> kMagic = {'R', 'K', 'I', 'V', 'F', 'P', 'Q', '1'};
constexpr std::size_t kAlignment = 64;
constexpr std::int64_t kRowsMax = std::numeric_limits<std::int32_t>::max();
constexpr std::int64_t kDimensionMax = 1 << 16;
constexpr std::int64_t kEncodeRows = 65'536;
// Vectors are at most 1e18 long; so are their means, and residuals and their codewords at most
// twice that. A little more for rounding: beyond it a score could overflow.
constexpr double kCentroidNormMax = 1.01e18, kWordNormMax = 2.02e18;

// What the file begins with, little-endian; zeros up to 128 bytes.
struct Header {
  std::array<char, 8> magic = kMagic;
  std::int64_t count = 0, dimension = 0, nlist = 0, pq_bytes = 0, nprobe = 0, candidates = 0,
               l2 = 0, coarse_hnsw = 0, train_rows = 0;
  std::array<std::int64_t, 6> zeros{};
};
static_assert(sizeof(Header) == 128);

// Where the sections lie, in bytes from the start of the file.
struct Layout {
  std::size_t centroids, codebooks, list_begins, rows, row_terms, codes, end;
  explicit Layout(const Header& h) {
    const auto count = static_cast<std::size_t>(h.count), nlist = static_cast<std::size_t>(h.nlist),
               dimension = static_cast<std::size_t>(h.dimension);
    std::size_t at = sizeof(Header);
    const auto place = [&at](std::size_t bytes) {
      const std::size_t begin = at;
      at = (at + bytes + kAlignment - 1) / kAlignment * kAlignment;
      return begin;
    };
    centroids = place(nlist * dimension * sizeof(float));
    codebooks = place(kPqWords * dimension * sizeof(float));
    list_begins = place((nlist + 1) * sizeof(std::int64_t));
    rows = place(count * sizeof(std::int32_t));
    row_terms = place(h.l2 != 0 ? count * sizeof(float) : 0);
    codes = place(count * static_cast<std::size_t>(h.pq_bytes) + kPqGroupRows);
    end = at;
  }
};

class Writer {
 public:
  explicit Writer(detail::GenerationFile& file) : file_(file) {}
  template <typename T>
  void section(std::span<const T> values, std::size_t extra_bytes = 0) {
    file_.write(std::as_bytes(values));
    const std::size_t bytes = values.size_bytes() + extra_bytes;
    const std::size_t padded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
    const std::vector<std::byte> zeros(padded - values.size_bytes());
    file_.write(zeros);
  }

 private:
  detail::GenerationFile& file_;
};

class Reader {
 public:
  Reader(std::span<const std::byte> bytes, const std::string& where)
      : bytes_(bytes), where_(where) {}
  [[noreturn]] void fail(const std::string& what) const {
    throw UserError(where_ + ": " + what + "; build the index again");
  }
  void number(const char* name, std::int64_t value, std::int64_t low, std::int64_t high) const {
    if (value >= low && value <= high) return;
    fail(std::string(name) + ": expected a number in [" + std::to_string(low) + ", " +
         std::to_string(high) + "], got " + std::to_string(value));
  }
  template <typename T>
  std::span<const T> section(std::size_t begin, std::size_t count) const {
    return {reinterpret_cast<const T*>(bytes_.data() + begin), count};
  }
  // Rows that are finite and not longer than `norm_max`.
  void vectors(const char* name, std::span<const float> values, std::size_t width,
               double norm_max) const {
    for (std::size_t begin = 0; begin < values.size(); begin += width) {
      double squares = 0;
      for (const float x : values.subspan(begin, width)) {
        squares += static_cast<double>(x) * static_cast<double>(x);
      }
      if (squares <= norm_max * norm_max) continue;  // NaN compares false
      fail(std::string(name) + " " + std::to_string(begin / width) +
           ": expected finite numbers, got NaN, infinity or a length beyond 1e18");
    }
  }

 private:
  std::span<const std::byte> bytes_;
  const std::string& where_;
};

Header read_header(const Reader& reader, std::span<const std::byte> bytes, std::int64_t count,
                   std::int32_t dimension) {
  Header header;
  if (bytes.size() < sizeof header) {
    reader.fail("expected an ivfpq file with a header of 128 bytes, got " +
                std::to_string(bytes.size()) + " bytes");
  }
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header.magic != kMagic) reader.fail("expected an ivfpq file, got other bytes at its start");
  reader.number("rows", header.count, count, count);
  reader.number("dimension", header.dimension, dimension, dimension);
  reader.number("nlist", header.nlist, 1, 1 << 20);
  reader.number("pq_bytes", header.pq_bytes, 1, std::min<std::int64_t>(1024, dimension));
  if (dimension % header.pq_bytes != 0) {
    reader.fail("pq_bytes: expected a number that divides " + std::to_string(dimension) + ", got " +
                std::to_string(header.pq_bytes));
  }
  reader.number("nprobe", header.nprobe, 1, 1 << 20);
  reader.number("candidates", header.candidates, 0, 1 << 20);
  reader.number("l2", header.l2, 0, 1);
  reader.number("coarse", header.coarse_hnsw, 0, 1);
  reader.number("train_rows", header.train_rows, kPqWords, std::int64_t{1} << 32);
  for (const std::int64_t zero : header.zeros) reader.number("reserved", zero, 0, 0);
  return header;
}

// Every row in exactly one list, rising there.
void check_lists(const Reader& reader, const IvfPqLists& lists) {
  const auto begins = lists.list_begins;
  if (begins.front() != 0 || begins.back() != lists.count) {
    reader.fail("expected lists over rows 0 to " + std::to_string(lists.count) + ", got " +
                std::to_string(begins.front()) + " to " + std::to_string(begins.back()));
  }
  for (std::size_t list = 0; list + 1 < begins.size(); ++list) {
    if (begins[list] <= begins[list + 1]) continue;
    reader.fail("list " + std::to_string(list) + ": expected an end at or after its begin " +
                std::to_string(begins[list]) + ", got " + std::to_string(begins[list + 1]));
  }
  std::vector<bool> seen(static_cast<std::size_t>(lists.count));
  for (std::size_t list = 0; list + 1 < begins.size(); ++list) {
    for (std::int64_t at = begins[list]; at < begins[list + 1]; ++at) {
      const std::int64_t row = lists.rows[static_cast<std::size_t>(at)];
      const bool rises = at == begins[list] || row > lists.rows[static_cast<std::size_t>(at - 1)];
      if (row < 0 || row >= lists.count || !rises || seen[static_cast<std::size_t>(row)]) {
        reader.fail("list " + std::to_string(list) + ": expected rising rows in [0, " +
                    std::to_string(lists.count) + "), each in one list, got " +
                    std::to_string(row));
      }
      seen[static_cast<std::size_t>(row)] = true;
    }
  }
}

// ‖r‖² + 2 c·r of one row, in double.
float row_term(std::span<const float> centroid, std::span<const float> codebooks,
               std::span<const std::uint8_t> code) {
  const std::size_t width = centroid.size() / code.size();
  double term = 0;
  for (std::size_t m = 0; m < code.size(); ++m) {
    const auto word = codebooks.subspan((m * kPqWords + code[m]) * width, width);
    for (std::size_t i = 0; i < width; ++i) {
      const auto r = static_cast<double>(word[i]);
      term += r * (r + 2 * static_cast<double>(centroid[m * width + i]));
    }
  }
  return static_cast<float>(term);
}

// Rows of a list a row after the other, to groups of 64 with a byte of each row in turn; or back.
template <bool kToGroups>
void interleave(std::span<const std::uint8_t> from, std::size_t width, std::uint8_t* to) {
  const std::size_t rows = from.size() / width;
  for (std::size_t begin = 0; begin < rows; begin += kPqGroupRows) {
    const std::size_t group = std::min<std::size_t>(kPqGroupRows, rows - begin);
    for (std::size_t j = 0; j < group; ++j) {
      for (std::size_t m = 0; m < width; ++m) {
        const std::size_t plain = (begin + j) * width + m, grouped = begin * width + m * group + j;
        if constexpr (kToGroups) {
          to[grouped] = from[plain];
        } else {
          to[plain] = from[grouped];
        }
      }
    }
  }
}

std::int64_t check_encoded(const FaissIvfPq& lists, std::int32_t dimension) {
  const auto width = static_cast<std::size_t>(std::max(lists.pq_bytes, 1));
  const auto dims = static_cast<std::size_t>(dimension);
  std::int64_t count = 0;
  bool sound = lists.nlist >= 1 && lists.pq_bytes >= 1 && dimension % lists.pq_bytes == 0 &&
               lists.list_rows.size() == static_cast<std::size_t>(lists.nlist) &&
               lists.list_codes.size() == lists.list_rows.size() &&
               lists.centroids.size() == lists.list_rows.size() * dims &&
               lists.codebooks.size() == kPqWords * dims;
  for (std::size_t list = 0; sound && list < lists.list_rows.size(); ++list) {
    count += std::ssize(lists.list_rows[list]);
    sound = lists.list_codes[list].size() == lists.list_rows[list].size() * width;
  }
  if (!sound || count > kRowsMax) {
    throw UserError("ivfpq: expected lists, centroids and codebooks of dimension " +
                    std::to_string(dimension) + " that fit each other, got sizes that do not");
  }
  if (!lists.by_residual) {
    throw UserError(
        "ivfpq: expected codes of residuals, got codes of whole vectors; import the vectors and "
        "build the index here");
  }
  return count;
}

}  // namespace

std::vector<std::uint8_t> IvfPqLists::list_codes(std::int32_t list) const {
  const auto at = static_cast<std::size_t>(list);
  const auto width = static_cast<std::size_t>(parameters.pq_bytes);
  const std::span<const std::uint8_t> grouped =
      codes.subspan(static_cast<std::size_t>(list_begins[at]) * width,
                    static_cast<std::size_t>(list_begins[at + 1] - list_begins[at]) * width);
  std::vector<std::uint8_t> plain(grouped.size());
  interleave<false>(grouped, width, plain.data());
  return plain;
}

IvfPqLists IvfPqLists::open(std::span<const std::byte> bytes, std::int64_t count,
                            std::int32_t dimension, const std::string& where) {
  if (reinterpret_cast<std::uintptr_t>(bytes.data()) % alignof(std::int64_t) != 0 || count < 0 ||
      count > kRowsMax || dimension < 1 || dimension > kDimensionMax) {
    throw std::invalid_argument(
        "IvfPqLists::open: expected aligned bytes, up to 2^31 - 1 rows of " +
        std::string("up to 65,536 numbers"));
  }
  const Reader reader(bytes, where);
  const Header header = read_header(reader, bytes, count, dimension);
  const Layout layout(header);
  const bool hnsw = header.coarse_hnsw != 0;
  if (bytes.size() < layout.end || (!hnsw && bytes.size() != layout.end)) {
    reader.fail("expected " + std::string(hnsw ? "more than " : "") + std::to_string(layout.end) +
                " bytes, got " + std::to_string(bytes.size()));
  }
  const auto rows = static_cast<std::size_t>(count), dims = static_cast<std::size_t>(dimension),
             nlist = static_cast<std::size_t>(header.nlist),
             width = static_cast<std::size_t>(header.pq_bytes);
  IvfPqLists lists;
  lists.count = count;
  lists.dimension = dimension;
  lists.l2 = header.l2 != 0;
  lists.parameters = {static_cast<std::int32_t>(header.nlist),
                      static_cast<std::int32_t>(header.pq_bytes),
                      static_cast<std::int32_t>(header.nprobe),
                      static_cast<std::int32_t>(header.candidates),
                      hnsw ? "hnsw" : "flat",
                      header.train_rows};
  lists.centroids = reader.section<float>(layout.centroids, nlist * dims);
  lists.codebooks = reader.section<float>(layout.codebooks, kPqWords * dims);
  lists.list_begins = reader.section<std::int64_t>(layout.list_begins, nlist + 1);
  lists.rows = reader.section<std::int32_t>(layout.rows, rows);
  if (lists.l2) lists.row_terms = reader.section<float>(layout.row_terms, rows);
  lists.codes = reader.section<std::uint8_t>(layout.codes, rows * width);
  reader.vectors("centroid", lists.centroids, dims, kCentroidNormMax);
  reader.vectors("codeword", lists.codebooks, dims / width, kWordNormMax);
  check_lists(reader, lists);
  for (std::size_t at = 0; at < lists.row_terms.size(); ++at) {
    if (std::isfinite(lists.row_terms[at])) continue;
    reader.fail("row term " + std::to_string(at) + ": expected a finite number");
  }
  if (hnsw) {
    lists.coarse = HnswGraph::open(bytes.subspan(layout.end), header.nlist, where + " (coarse)");
  }
  return lists;
}

void write_ivfpq_lists(const FaissIvfPq& lists, const IvfPqParameters& parameters, bool l2,
                       std::int32_t dimension, int threads, detail::GenerationFile& file) {
  Header header;
  header.count = check_encoded(lists, dimension);
  header.dimension = dimension;
  header.nlist = lists.nlist;
  header.pq_bytes = lists.pq_bytes;
  header.nprobe = std::max(parameters.nprobe, 1);
  header.candidates = parameters.candidates;
  header.l2 = l2 ? 1 : 0;
  header.coarse_hnsw = parameters.coarse == "hnsw" ? 1 : 0;
  header.train_rows = std::max<std::int64_t>(parameters.train_rows, kPqWords);
  const auto width = static_cast<std::size_t>(lists.pq_bytes);
  const auto dims = static_cast<std::size_t>(dimension);
  std::vector<std::int64_t> begins = {0};
  std::vector<std::int32_t> rows;
  std::vector<float> terms;
  rows.reserve(static_cast<std::size_t>(header.count));
  std::vector<std::uint8_t> codes(static_cast<std::size_t>(header.count) * width);
  for (std::size_t list = 0; list < lists.list_rows.size(); ++list) {
    const std::span<const std::uint8_t> plain = lists.list_codes[list];
    interleave<true>(plain, width, codes.data() + rows.size() * width);
    for (const std::int64_t row : lists.list_rows[list]) {
      rows.push_back(static_cast<std::int32_t>(row));
    }
    begins.push_back(std::ssize(rows));
    if (!l2) continue;
    const auto centroid = std::span(lists.centroids).subspan(list * dims, dims);
    for (std::size_t at = 0; at < plain.size(); at += width) {
      terms.push_back(row_term(centroid, lists.codebooks, plain.subspan(at, width)));
    }
  }
  Writer writer(file);
  writer.section(std::span<const Header>(&header, 1));
  writer.section(std::span<const float>(lists.centroids));
  writer.section(std::span<const float>(lists.codebooks));
  writer.section(std::span<const std::int64_t>(begins));
  writer.section(std::span<const std::int32_t>(rows));
  writer.section(std::span<const float>(terms));
  writer.section(std::span<const std::uint8_t>(codes), kPqGroupRows);
  if (header.coarse_hnsw == 0) return;
  HnswParameters graph;
  graph.serial = true;  // every shard gets the same graph
  write_hnsw_graph(CentroidShard(lists.centroids, dimension), l2 ? "l2" : "inner_product", graph,
                   threads, file);
}

void write_ivfpq_lists(const SnapshotShard& shard, const std::string& metric,
                       const IvfPqModel& model, int threads, detail::GenerationFile& file) {
  const std::int32_t dimension = shard.dimension();
  if (dimension != model.dimension || shard.count() > kRowsMax ||
      shard.vector_type() == VectorType::kNone) {
    throw UserError("ivfpq: expected a shard of up to 2^31 - 1 vectors of dimension " +
                    std::to_string(model.dimension) + ", got " + std::to_string(shard.count()) +
                    " of " + std::to_string(dimension));
  }
  const bool l2 = metric == "l2";
  const int team = threads > 0 ? threads : base::usable_cores();
  FaissIvfPq trained;
  trained.nlist = model.parameters.nlist;
  trained.pq_bytes = model.parameters.pq_bytes;
  trained.centroids = model.centroids;
  trained.codebooks = model.codebooks;
  FaissIvfPq all = trained;
  all.list_rows.resize(static_cast<std::size_t>(trained.nlist));
  all.list_codes.resize(static_cast<std::size_t>(trained.nlist));
  const auto dims = static_cast<std::size_t>(dimension);
  std::vector<float> copies;
  for (std::int64_t begin = 0; begin < shard.count(); begin += kEncodeRows) {
    const std::int64_t count = std::min(kEncodeRows, shard.count() - begin);
    VectorsView view{{}, dimension, l2};
    if (shard.vector_type() == VectorType::kFloat32) {
      view.vectors = shard.vectors().subspan(static_cast<std::size_t>(begin) * dims,
                                             static_cast<std::size_t>(count) * dims);
    } else {
      copies.resize(static_cast<std::size_t>(count) * dims);
      for (std::int64_t i = 0; i < count; ++i) {
        copy_vector(shard, begin + i,
                    std::span(copies).subspan(static_cast<std::size_t>(i) * dims, dims));
      }
      view.vectors = copies;
    }
    const FaissIvfPq part = faiss_bridge().encode_ivfpq(trained, view, team);
    for (std::size_t list = 0; list < all.list_rows.size(); ++list) {
      for (const std::int64_t row : part.list_rows[list]) {
        all.list_rows[list].push_back(begin + row);
      }
      all.list_codes[list].insert(all.list_codes[list].end(), part.list_codes[list].begin(),
                                  part.list_codes[list].end());
    }
  }
  write_ivfpq_lists(all, model.parameters, l2, dimension, team, file);
}

void write_ivfpq_file(const SnapshotShard& shard, const std::string& metric,
                      const IvfPqModel& model, int threads, const std::filesystem::path& path) {
  detail::GenerationFile file(path.parent_path(), path.filename().string());
  write_ivfpq_lists(shard, metric, model, threads, file);
  file.finish();
}

FaissIvfPq to_faiss(const IvfPqLists& lists) {
  FaissIvfPq result;
  result.nlist = lists.parameters.nlist;
  result.pq_bytes = lists.parameters.pq_bytes;
  result.nprobe = lists.parameters.nprobe;
  result.centroids.assign(lists.centroids.begin(), lists.centroids.end());
  result.codebooks.assign(lists.codebooks.begin(), lists.codebooks.end());
  for (std::int32_t list = 0; list < result.nlist; ++list) {
    const auto at = static_cast<std::size_t>(list);
    const auto rows = lists.rows.subspan(
        static_cast<std::size_t>(lists.list_begins[at]),
        static_cast<std::size_t>(lists.list_begins[at + 1] - lists.list_begins[at]));
    result.list_rows.emplace_back(rows.begin(), rows.end());
    result.list_codes.push_back(lists.list_codes(list));
  }
  return result;
}

}  // namespace rookery::index_tools
