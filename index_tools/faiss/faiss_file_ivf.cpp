#include <algorithm>
#include <numeric>

#include "index_tools/faiss/detail/faiss_bytes.hpp"
#include "index_tools/faiss/detail/faiss_calls.hpp"

namespace rookery::index_tools::detail {
namespace {

constexpr std::int64_t kListsMax = 1 << 24;

// What all inverted files begin with.
struct IvfHead {
  FaissHead head;
  std::int64_t nlist = 0, nprobe = 0;
  std::vector<float> centroids;
};

IvfHead read_ivf_head(FaissBytes& bytes, int depth) {
  IvfHead ivf;
  ivf.head = read_faiss_head(bytes);
  ivf.nlist = bytes.count("lists", 1, kListsMax);
  ivf.nprobe = bytes.count("nprobe", 0, INT32_MAX);
  FaissContents quantizer = read_faiss_index(bytes, depth + 1);
  bytes.expect(quantizer.count == ivf.nlist && quantizer.dimension == ivf.head.dimension &&
                   quantizer.ids.empty() && !quantizer.ivfpq && quantizer.type != "ivfflat",
               "expected " + std::to_string(ivf.nlist) +
                   " centroids in a flat or HNSW index, got " + std::to_string(quantizer.count) +
                   " in " + quantizer.type);
  ivf.centroids = std::move(quantizer.vectors);
  const auto direct_map = bytes.read<std::uint8_t>("the direct map's type");
  bytes.expect(direct_map <= 2, "expected a direct map of type 0 to 2");
  (void)bytes.array<std::int64_t>("the direct map");
  if (direct_map == 2) {
    const std::int64_t pairs = bytes.count("the direct map's entries", 0, INT32_MAX);
    (void)bytes.items<std::int64_t>(pairs * 2, "the direct map's entries");
  }
  return ivf;
}

struct Lists {
  std::vector<std::vector<std::uint8_t>> codes;
  std::vector<std::vector<std::int64_t>> ids;
};

// How many entries the lists hold: all lengths, or pairs of list and length where many are empty.
std::vector<std::int64_t> read_lengths(FaissBytes& bytes, std::int64_t nlist) {
  const std::string layout = bytes.letters();
  if (layout == "full") return bytes.array<std::int64_t>("lengths of the lists", nlist);
  bytes.expect(layout == "sprs", "expected lengths of lists, full or sparse");
  const auto pairs = bytes.array<std::int64_t>("lengths of the lists");
  bytes.expect(pairs.size() % 2 == 0, "expected pairs of list and length");
  std::vector<std::int64_t> lengths(static_cast<std::size_t>(nlist));
  for (std::size_t i = 0; i < pairs.size(); i += 2) {
    bytes.expect(
        pairs[i] >= 0 && pairs[i] < nlist,
        "expected a list below " + std::to_string(nlist) + ", got " + std::to_string(pairs[i]));
    lengths[static_cast<std::size_t>(pairs[i])] = pairs[i + 1];
  }
  return lengths;
}

Lists read_lists(FaissBytes& bytes, const IvfHead& ivf, std::int64_t code_bytes) {
  const std::string letters = bytes.letters();
  bytes.expect(letters == "ilar", "expected inverted lists in the file itself, got '" + letters +
                                      "'; write the index with lists in memory");
  (void)bytes.count("lists", ivf.nlist, ivf.nlist);
  (void)bytes.count("bytes of a code", code_bytes, code_bytes);
  Lists lists;
  std::int64_t rows = 0;
  for (const std::int64_t length : read_lengths(bytes, ivf.nlist)) {
    bytes.expect(length >= 0 && length <= ivf.head.count - rows,
                 "expected lists of " + std::to_string(ivf.head.count) +
                     " rows together, got one of " + std::to_string(length) + " after " +
                     std::to_string(rows));
    rows += length;
    lists.codes.push_back(bytes.items<std::uint8_t>(length * code_bytes, "codes"));
    lists.ids.push_back(bytes.items<std::int64_t>(length, "ids"));
  }
  bytes.expect(rows == ivf.head.count, "expected lists of " + std::to_string(ivf.head.count) +
                                           " rows together, got " + std::to_string(rows));
  return lists;
}

// Rows stand in the order of their ids; ids that count from 0 are no ids of their own.
// `rows[list][i]` is the row of a list's entry.
std::vector<std::vector<std::int64_t>> order_rows(const Lists& lists, FaissContents& contents) {
  struct Entry {
    std::int64_t id;
    std::size_t list, place;
  };
  std::vector<Entry> entries;
  std::vector<std::vector<std::int64_t>> rows(lists.ids.size());
  for (std::size_t list = 0; list < lists.ids.size(); ++list) {
    rows[list].resize(lists.ids[list].size());
    for (std::size_t i = 0; i < lists.ids[list].size(); ++i) {
      entries.push_back({lists.ids[list][i], list, i});
    }
  }
  std::stable_sort(entries.begin(), entries.end(),
                   [](const Entry& a, const Entry& b) { return a.id < b.id; });
  bool plain = true;
  for (std::size_t row = 0; row < entries.size(); ++row) {
    rows[entries[row].list][entries[row].place] = static_cast<std::int64_t>(row);
    plain = plain && entries[row].id == static_cast<std::int64_t>(row);
  }
  if (!plain) {
    for (const Entry& entry : entries) contents.ids.push_back(entry.id);
  }
  return rows;
}

FaissContents contents_of(const IvfHead& ivf, const char* type) {
  FaissContents contents;
  contents.type = type;
  contents.metric = ivf.head.l2 ? "l2" : "inner_product";
  contents.dimension = ivf.head.dimension;
  contents.count = ivf.head.count;
  return contents;
}

void decode(const FaissIvfPq& index, std::int32_t dimension, std::vector<float>& vectors) {
  const auto width = static_cast<std::size_t>(dimension);
  const auto parts = static_cast<std::size_t>(index.pq_bytes);
  const std::size_t part_width = width / parts;
  for (std::size_t list = 0; list < index.list_rows.size(); ++list) {
    for (std::size_t i = 0; i < index.list_rows[list].size(); ++i) {
      float* out = vectors.data() + static_cast<std::size_t>(index.list_rows[list][i]) * width;
      const std::uint8_t* code = index.list_codes[list].data() + i * parts;
      for (std::size_t part = 0; part < parts; ++part) {
        std::copy_n(index.codebooks.data() + (part * 256 + code[part]) * part_width, part_width,
                    out + part * part_width);
      }
      if (!index.by_residual) continue;
      for (std::size_t d = 0; d < width; ++d) out[d] += index.centroids[list * width + d];
    }
  }
}

}  // namespace

FaissContents read_faiss_ivf_flat(FaissBytes& bytes, int depth) {
  const IvfHead ivf = read_ivf_head(bytes, depth);
  const std::int64_t row_bytes = std::int64_t{ivf.head.dimension} * 4;
  const Lists lists = read_lists(bytes, ivf, row_bytes);
  FaissContents contents = contents_of(ivf, "ivfflat");
  const auto rows = order_rows(lists, contents);
  contents.vectors.resize(static_cast<std::size_t>(ivf.head.count * ivf.head.dimension));
  for (std::size_t list = 0; list < rows.size(); ++list) {
    for (std::size_t i = 0; i < rows[list].size(); ++i) {
      std::memcpy(contents.vectors.data() + rows[list][i] * ivf.head.dimension,
                  lists.codes[list].data() + static_cast<std::int64_t>(i) * row_bytes,
                  static_cast<std::size_t>(row_bytes));
    }
  }
  return contents;
}

FaissContents read_faiss_ivf_pq(FaissBytes& bytes, int depth) {
  const IvfHead ivf = read_ivf_head(bytes, depth);
  const std::int32_t dimension = ivf.head.dimension;
  auto index = std::make_unique<FaissIvfPq>();
  const auto by_residual = bytes.read<std::uint8_t>("whether residuals are coded");
  bytes.expect(by_residual <= 1, "expected 0 or 1 for residuals");
  index->by_residual = by_residual == 1;
  const std::int64_t code_bytes = bytes.count("bytes of a code", 1, dimension);
  (void)bytes.count("the product quantiser's dimension", dimension, dimension);
  const std::int64_t parts = bytes.count("parts of a code", 1, dimension);
  const std::int64_t bits = bytes.count("bits of a part", 1, 24);
  bytes.expect(bits == 8 && parts == code_bytes && dimension % parts == 0,
               "expected a product quantiser of 8 bits a part that divide the dimension, got " +
                   std::to_string(parts) + " parts of " + std::to_string(bits) + " bits");
  index->nlist = static_cast<std::int32_t>(ivf.nlist);
  index->pq_bytes = static_cast<std::int32_t>(parts);
  index->nprobe = static_cast<std::int32_t>(std::max<std::int64_t>(ivf.nprobe, 1));
  index->centroids = ivf.centroids;
  index->codebooks = bytes.array<float>("codebooks", std::int64_t{dimension} * 256);
  Lists lists = read_lists(bytes, ivf, code_bytes);
  FaissContents contents = contents_of(ivf, "ivfpq");
  contents.vectors_are_exact = false;
  index->list_rows = order_rows(lists, contents);
  index->list_codes = std::move(lists.codes);
  contents.vectors.resize(static_cast<std::size_t>(ivf.head.count * dimension));
  decode(*index, dimension, contents.vectors);
  contents.ivfpq = std::move(index);
  return contents;
}

}  // namespace rookery::index_tools::detail
