// make_int8_index
#include <algorithm>
#include <atomic>
#include <cstring>
#include <stdexcept>

#include "base/error.hpp"
#include "index_tools/int8_codes.hpp"
#include "retriever_pool/detail/int8_search.hpp"
#include "retriever_pool/shard_index.hpp"

namespace rookery::retriever_pool {
namespace {

constexpr std::int64_t kPartRowsMin = 2048;  // fewer rows are not worth waking another thread
constexpr std::int64_t kProbeRows = 64;      // compared with what the file says of them
// Of smaller shares of the rows a search in float reads fewer bytes.
constexpr std::int64_t kMemberShare = 4;

class Int8ShardIndex final : public ShardIndex {
 public:
  Int8ShardIndex(std::shared_ptr<const index_tools::SnapshotShard> shard, Metric metric,
                 std::shared_ptr<SearchTeam> team)
      : shard_(std::move(shard)),
        metric_(metric),
        team_(std::move(team)),
        exact_(make_exact_index(shard_, metric, team_)) {
    const std::string where = "shard " + std::to_string(shard_->shard()) + ": int8";
    const std::span<const std::byte> bytes = shard_->file("int8");
    if (bytes.empty()) {
      throw base::UserError(where + ": expected an int8 file, found none; build the index with " +
                            "--index int8");
    }
    codes_ = index_tools::Int8Codes::open(bytes, count(), dimension(), where);
    probe(where);
    if (metric == Metric::kL2) extras_ = detail::int8_extras(codes_);
  }

  [[nodiscard]] index_tools::IndexKind kind() const override {
    return index_tools::IndexKind::kInt8;
  }
  [[nodiscard]] std::int32_t dimension() const override { return shard_->dimension(); }
  [[nodiscard]] std::int64_t count() const override { return shard_->count(); }

  [[nodiscard]] HitRows search(const SearchBatch& batch) const override {
    check_queries(batch.queries, batch.k, dimension());
    if (batch.rows != nullptr && batch.rows->count() < count() / kMemberShare) {
      return exact_->search(batch);
    }
    if (batch.rows != nullptr && batch.rows->rows() != count()) return exact_->search(batch);
    std::vector<float> buffer;
    const auto queries = scored_queries(batch.queries, metric_, dimension(), buffer);
    detail::Int8SearchOptions options;
    options.metric = metric_;
    options.k = batch.k;
    options.members = batch.rows.get();
    options.deadline = batch.deadline;
    detail::Int8Search search({shard_.get(), &codes_, extras_}, queries, options);
    const auto parts =
        static_cast<int>(std::clamp<std::int64_t>(count() / kPartRowsMin, 1, team_->size()));
    std::atomic<bool> finished = true;
    const bool ran = team_->run(parts, batch.deadline, [&](int part) {
      if (!search.run(part)) finished = false;
    });
    if (!ran || !finished) {
      throw RetrievalError(
          RetrievalFault::kDeadline,
          "the deadline passed during the search of shard " + std::to_string(shard_->shard()));
    }
    std::vector<std::int64_t> useless;
    HitRows rows = search.finish(useless);
    if (!useless.empty()) search_in_float(batch, useless, rows);
    return rows;
  }

 private:
  void search_in_float(const SearchBatch& batch, const std::vector<std::int64_t>& which,
                       HitRows& rows) const {
    std::vector<float> queries;
    for (const std::int64_t q : which) {
      const auto query = batch.queries.subspan(static_cast<std::size_t>(q * dimension()),
                                               static_cast<std::size_t>(dimension()));
      queries.insert(queries.end(), query.begin(), query.end());
    }
    SearchBatch part = batch;
    part.queries = queries;
    HitRows found = exact_->search(part);
    for (std::size_t i = 0; i < which.size(); ++i) {
      rows[static_cast<std::size_t>(which[i])] = std::move(found[i]);
    }
  }

  // A file of other vectors would lose results without a word.
  void probe(const std::string& where) const {
    std::vector<float> vector(static_cast<std::size_t>(dimension()));
    std::vector<std::uint8_t> codes(static_cast<std::size_t>(codes_.stride));
    for (std::int64_t i = 0; i < std::min(kProbeRows, count()); ++i) {
      const std::int64_t row = i * count() / std::min(kProbeRows, count());
      const auto at = static_cast<std::size_t>(row);
      index_tools::copy_vector(*shard_, row, vector);
      const index_tools::Int8Row expected = index_tools::quantise_row(vector, codes.data());
      if (std::memcmp(codes.data(), codes_.codes + row * codes_.stride, codes.size()) == 0 &&
          expected.scale == codes_.scales[at] && expected.error <= codes_.errors[at] &&
          expected.norm <= codes_.norms[at]) {
        continue;
      }
      throw base::UserError(where + ": row " + std::to_string(row) +
                            " was made from another vector; build the int8 index again");
    }
  }

  std::shared_ptr<const index_tools::SnapshotShard> shard_;
  Metric metric_;
  std::shared_ptr<SearchTeam> team_;  // shared: an embedded pool searches all shards with one team
  std::unique_ptr<ShardIndex> exact_;
  index_tools::Int8Codes codes_;
  std::vector<float> extras_;
};

}  // namespace

std::unique_ptr<ShardIndex> make_int8_index(std::shared_ptr<const index_tools::SnapshotShard> shard,
                                            Metric metric, std::shared_ptr<SearchTeam> team) {
  return std::make_unique<Int8ShardIndex>(std::move(shard), metric, std::move(team));
}

}  // namespace rookery::retriever_pool
