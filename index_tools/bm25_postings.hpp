#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include "index_tools/bm25_block.hpp"
#include "index_tools/bm25_formula.hpp"
#include "index_tools/index_spec.hpp"
#include "index_tools/snapshot.hpp"

namespace rookery::index_tools {

namespace detail {
class GenerationFile;
}

/// Statistics of the whole corpus, whatever its sharding, so that every shard gives the scores of
/// the unsharded index bit for bit.
struct Bm25Statistics {
  std::int64_t documents = 0;
  std::int64_t terms = 0;  ///< tokens of all documents, repeats counted
  std::unordered_map<std::string, std::int64_t> document_frequency;
};

/// Reads every passage of all shards once.
Bm25Statistics collect_bm25_statistics(
    std::span<const std::shared_ptr<const SnapshotShard>> shards);

/// Writes the `bm25` file of a shard: dictionary with global document frequencies, compressed
/// postings in blocks with the largest impact of each, exact lengths. What is indexed of a passage
/// is its title, then its text, as `text::EnglishAnalyzer` cuts each. Needs at most 16 bytes a
/// posting, the packed postings and the dictionary. Throws `std::invalid_argument` when a passage
/// holds a term that the statistics lack.
void write_bm25_postings(const SnapshotShard& shard, const Bm25Statistics& statistics,
                         const Bm25Parameters& parameters, detail::GenerationFile& file);
/// The same bytes, piece by piece, to anywhere.
using ByteSink = std::function<void(std::span<const std::byte>)>;
void write_bm25_postings(const SnapshotShard& shard, const Bm25Statistics& statistics,
                         const Bm25Parameters& parameters, const ByteSink& write);

/// The postings of one term in one shard; views into the file.
struct Bm25Term {
  std::int64_t documents = 0;         ///< that hold it, in the whole corpus
  std::int64_t count = 0;             ///< postings here
  std::span<const Bm25Block> blocks;  ///< `[ceil(count / 128)]`, full but for the last
  double ratio_bound = 0;             ///< the largest of the blocks
  /// At least `kBm25Levels[i]` postings have a ratio of `reached[i]` / 65536 or more; 0: there are
  /// fewer postings.
  std::array<std::uint16_t, 4> reached{};
};
inline constexpr std::array<std::int32_t, 4> kBm25Levels = {8, 32, 128, 1024};

/// The mapped file; immutable, any thread may read. The search itself is in
/// `retriever_pool/bm25_search.hpp`.
class Bm25Postings {
 public:
  virtual ~Bm25Postings() = default;
  [[nodiscard]] virtual std::int64_t count() const = 0;
  [[nodiscard]] virtual const Bm25Parameters& parameters() const = 0;
  [[nodiscard]] virtual std::int64_t corpus_documents() const = 0;
  [[nodiscard]] virtual double corpus_mean_length() const = 0;
  /// Terms of the whole corpus.
  [[nodiscard]] virtual std::int64_t terms() const = 0;
  /// A term of the corpus, which may have no postings here.
  [[nodiscard]] virtual std::optional<Bm25Term> find(std::string_view term) const = 0;
  /// Terms of each passage, repeats counted, `[count]`, below 2³¹.
  [[nodiscard]] virtual std::span<const std::uint32_t> lengths() const = 0;
  /// What the blocks' offsets count from; 64 bytes may be read beyond the end of the last block.
  [[nodiscard]] virtual const std::byte* data() const = 0;
  [[nodiscard]] Bm25Formula formula() const {
    return Bm25Formula::of(parameters(), corpus_mean_length());
  }
};

/// Checks the file (postings out of order, rows beyond the shard, blocks beyond the file) before it
/// is used. Throws `UserError` naming `where`.
std::unique_ptr<Bm25Postings> open_bm25_postings(std::span<const std::byte> bytes,
                                                 std::int64_t count, const std::string& where);

}  // namespace rookery::index_tools
