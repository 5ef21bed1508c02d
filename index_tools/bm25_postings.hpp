#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

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
/// is its title and text, as `text::EnglishAnalyzer` cuts them.
void write_bm25_postings(const SnapshotShard& shard, const Bm25Statistics& statistics,
                         const Bm25Parameters& parameters, detail::GenerationFile& file);

/// The mapped file. The search itself is in `retriever_pool/bm25_search.hpp`.
class Bm25Postings {
 public:
  virtual ~Bm25Postings() = default;
  [[nodiscard]] virtual std::int64_t count() const = 0;
  [[nodiscard]] virtual const Bm25Parameters& parameters() const = 0;
  [[nodiscard]] virtual std::int64_t corpus_documents() const = 0;
  [[nodiscard]] virtual double corpus_mean_length() const = 0;
};

/// Checks the file (postings out of order, rows beyond the shard, blocks beyond the file) before it
/// is used. Throws `UserError` naming `where`.
std::unique_ptr<Bm25Postings> open_bm25_postings(std::span<const std::byte> bytes,
                                                 std::int64_t count, const std::string& where);

}  // namespace rookery::index_tools
