// Search through int8 against search in float: ids and score bits, on data that is made to trip the
// bound.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/atomic_file.hpp"
#include "dense_shard.hpp"
#include "index_tools/detail/generation_file.hpp"
#include "index_tools/int8_codes.hpp"
#include "retriever_pool/detail/int8_bound.hpp"
#include "retriever_pool/detail/int8_search.hpp"
#include "retriever_pool/shard_index.hpp"
#include "tests/support/error_text.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/temp_folder.hpp"

namespace rookery::retriever_pool {
namespace {

using testing::DenseShard;

std::vector<std::byte> int8_file(const index_tools::SnapshotShard& shard) {
  const rookery::testing::TempFolder folder;
  index_tools::detail::GenerationFile file(folder.path(), "int8");
  index_tools::write_int8_codes(shard, file);
  file.finish();
  const std::string text = base::read_file(folder / "int8");
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

std::shared_ptr<DenseShard> with_int8(std::int32_t dimension, const std::vector<float>& vectors,
                                      bool half = false) {
  std::vector<std::int64_t> ids(vectors.size() / static_cast<std::size_t>(dimension));
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::int64_t>(3 * i + i % 2);
  auto shard = std::make_shared<DenseShard>(dimension, ids, vectors, half);
  shard->add_file("int8", int8_file(*shard));
  return shard;
}

struct Data {
  std::string name;
  std::int32_t dimension;
  std::vector<float> vectors, queries;
};

constexpr std::int64_t kRows = 2600;

void append(std::vector<float>& to, std::span<const float> vector) {
  to.insert(to.end(), vector.begin(), vector.end());
}

// `make(row, i)` gives element i of a row.
template <typename Make>
Data data_of(const std::string& name, std::int32_t dimension, std::mt19937_64& random,
             const Make& make) {
  Data data{name, dimension, {}, {}};
  for (std::int64_t row = 0; row < kRows; ++row) {
    for (std::int32_t i = 0; i < dimension; ++i) data.vectors.push_back(make(row, i));
  }
  append(data.queries, testing::random_vectors(random, 5, dimension));
  const auto width = static_cast<std::size_t>(dimension);
  append(data.queries, std::span(data.vectors).subspan(7 * width, width));
  append(data.queries, std::span(data.vectors).subspan(1999 * width, width));
  for (const float scale : {1e-41F, 1e-33F, 1e16F}) {
    for (const float x : testing::random_vectors(random, 1, dimension)) {
      data.queries.push_back(x * scale);
    }
  }
  data.queries.resize(data.queries.size() + width, 0.0F);
  append(data.queries, testing::random_vectors(random, 22, dimension));
  return data;
}

std::vector<Data> adversarial_data(std::mt19937_64& random) {
  std::normal_distribution<float> normal;
  std::uniform_int_distribution<int> exponent(-150, 54);
  std::vector<Data> all;
  const auto any = [&](std::int64_t, std::int32_t) { return normal(random); };
  for (const std::int32_t dimension : {1, 3, 64, 100}) {
    all.push_back(data_of("random " + std::to_string(dimension), dimension, random, any));
  }
  all.push_back(
      data_of("equal", 24, random, [](auto, auto i) { return static_cast<float>(i) * 0.37F - 3; }));
  all.push_back(data_of("constant rows", 20, random,
                        [](auto row, auto) { return static_cast<float>(row % 91) / 7 - 5; }));
  all.push_back(data_of("integers with ties", 16, random,
                        [&](auto, auto) { return static_cast<float>(random() % 3) - 1; }));
  int row_exponent = 0;
  all.push_back(data_of("huge and tiny norms", 33, random, [&](auto, auto i) {
    if (i == 0) row_exponent = exponent(random);
    return std::ldexp(normal(random), row_exponent);
  }));
  all.push_back(data_of("subnormals", 17, random, [&](auto, auto) {
    return std::ldexp(std::round(4 * normal(random)), -149);
  }));
  all.push_back(data_of("mostly zero rows", 32, random,
                        [&](auto row, auto) { return row % 50 == 3 ? normal(random) : 0.0F; }));
  // One element takes all codes, so that the others are lost in rounding.
  all.push_back(data_of("spikes", 48, random, [&](auto row, auto i) {
    return i == row % 48 ? 500 + static_cast<float>(row % 5) : 0.9F * normal(random);
  }));
  const std::vector<float> centre = testing::random_vectors(random, 1, 40);
  all.push_back(data_of("one step apart", 40, random, [&](auto, auto i) {
    const float x = centre[static_cast<std::size_t>(i)];
    return random() % 4 == 0 ? std::nextafter(x, 2.0F) : x;
  }));
  all.push_back(data_of("far from the origin", 40, random,
                        [&](auto, auto) { return 1000 + 0.01F * normal(random); }));
  return all;
}

void expect_same_bits(const std::vector<Hit>& expected, const std::vector<Hit>& got) {
  ASSERT_EQ(expected.size(), got.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    ASSERT_EQ(expected[i].id, got[i].id) << "rank " << i;
    ASSERT_EQ(std::bit_cast<std::uint32_t>(expected[i].score),
              std::bit_cast<std::uint32_t>(got[i].score))
        << "rank " << i;
  }
}

class Int8IndexTest : public ::testing::TestWithParam<Metric> {};

TEST_P(Int8IndexTest, EqualsSearchInFloatOnEveryInput) {
  std::mt19937_64 random(rookery::testing::seed());
  for (Data& data : adversarial_data(random)) {
    for (const bool half : {false, true}) {
      const bool fits_half = data.name != "huge and tiny norms" && data.name != "subnormals";
      if (half && !fits_half) continue;
      if (GetParam() == Metric::kCosine) {
        if (data.name == "mostly zero rows" || data.name == "subnormals" || half ||
            data.name == "integers with ties" || data.dimension == 1) {
          continue;  // rows without a direction, or that half precision moves off length 1
        }
        if (index_tools::normalise_rows(data.vectors, data.dimension) >= 0) continue;
        const auto width = static_cast<std::size_t>(data.dimension);
        std::fill_n(data.queries.begin() + static_cast<std::ptrdiff_t>(10 * width), width, 1.0F);
      }
      const auto shard = with_int8(data.dimension, data.vectors, half);
      const auto all = std::make_shared<SearchTeam>(1);
      const auto exact = make_exact_index(shard, GetParam(), all);
      const auto set = std::make_shared<RowSet>(shard->count(), false);
      for (std::int64_t row = 0; row < shard->count(); ++row) {
        if (random() % 3 != 0) set->insert(row);
      }
      for (const int threads : {1, 2, 3}) {
        const auto index =
            make_int8_index(shard, GetParam(), std::make_shared<SearchTeam>(threads));
        for (const std::size_t batch_size : {1U, 2U, 3U, 5U, 8U, 33U}) {
          for (const std::int32_t k : {1, 5, 100, 1024}) {
            if (k == 1024 && batch_size != 8) continue;
            SearchBatch batch;
            const std::size_t queries =
                data.queries.size() / static_cast<std::size_t>(data.dimension);
            const std::size_t first = batch_size == 33 ? 0 : random() % (queries - batch_size);
            const auto width = static_cast<std::size_t>(data.dimension);
            batch.queries = std::span(data.queries).subspan(first * width, batch_size * width);
            batch.k = k;
            if (k == 5 && batch_size > 2) batch.rows = set;
            const HitRows expected = exact->search(batch);
            const HitRows got = index->search(batch);
            ASSERT_EQ(expected.size(), got.size());
            for (std::size_t q = 0; q < got.size(); ++q) {
              SCOPED_TRACE(data.name + (half ? " half" : "") + ", query " +
                           std::to_string(first + q) + " of a batch of " +
                           std::to_string(batch_size) + ", k " + std::to_string(k) + ", threads " +
                           std::to_string(threads));
              expect_same_bits(expected[q], got[q]);
              if (HasFatalFailure()) return;
            }
          }
        }
      }
    }
  }
}

// What the index does not show: that the instruction sets agree before the fallback helps.
TEST_P(Int8IndexTest, EveryInstructionSetFindsTheSameBits) {
  std::mt19937_64 random(rookery::testing::seed());
  for (const std::int32_t dimension : {5, 63, 64, 65, 200}) {
    auto vectors = testing::random_vectors(random, 5000, dimension);
    auto queries = testing::random_vectors(random, 13, dimension);
    index_tools::normalise_rows(vectors, dimension);
    index_tools::normalise_rows(queries, dimension);
    const auto shard = with_int8(dimension, vectors);
    const auto codes = index_tools::Int8Codes::open(shard->file("int8"), 5000, dimension, "test");
    const auto extras = detail::int8_extras(codes);
    for (const InstructionSet set : usable_instruction_sets()) {
      detail::Int8SearchOptions options;
      options.metric = GetParam();
      options.instructions = set;
      detail::Int8Rows rows{shard.get(), &codes, {}};
      if (GetParam() == Metric::kL2) rows.extras = extras;
      detail::Int8Search search(rows, queries, options);
      ASSERT_TRUE(search.run(0));
      std::vector<std::int64_t> useless;
      const auto hits = search.finish(useless);
      if (dimension >= 63) {
        EXPECT_TRUE(useless.empty()) << to_string(set) << " dimension " << dimension;
      }
      for (std::size_t q = 0; q < hits.size(); ++q) {
        if (std::find(useless.begin(), useless.end(), q) != useless.end()) continue;
        const auto width = static_cast<std::size_t>(dimension);
        const auto query = std::span(queries).subspan(q * width, width);
        SCOPED_TRACE(to_string(set) + " dimension " + std::to_string(dimension));
        expect_same_bits(testing::law_oracle(*shard, GetParam(), query, 5), hits[q]);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Metrics, Int8IndexTest,
                         ::testing::Values(Metric::kInnerProduct, Metric::kL2, Metric::kCosine),
                         [](const auto& test) { return to_string(test.param); });

// Cosine is an inner product.
class Int8BoundMetricTest : public ::testing::TestWithParam<Metric> {};

TEST_P(Int8BoundMetricTest, EveryInstructionSetKeepsWhatCountsOfDataThatIsMadeToTripIt) {
  std::mt19937_64 random(rookery::testing::seed());
  for (const Data& data : adversarial_data(random)) {
    const auto shard = with_int8(data.dimension, data.vectors);
    SearchBatch batch;
    batch.queries = data.queries;
    const HitRows expected =
        make_exact_index(shard, GetParam(), std::make_shared<SearchTeam>(1))->search(batch);
    const auto codes =
        index_tools::Int8Codes::open(shard->file("int8"), kRows, data.dimension, "test");
    const auto extras = detail::int8_extras(codes);
    for (const InstructionSet set : usable_instruction_sets()) {
      detail::Int8SearchOptions options;
      options.metric = GetParam();
      options.instructions = set;
      detail::Int8Rows rows{shard.get(), &codes, {}};
      if (GetParam() == Metric::kL2) rows.extras = extras;
      detail::Int8Search search(rows, data.queries, options);
      ASSERT_TRUE(search.run(0));
      std::vector<std::int64_t> useless;
      const auto hits = search.finish(useless);
      for (std::size_t q = 0; q < hits.size(); ++q) {
        if (std::find(useless.begin(), useless.end(), q) != useless.end()) continue;
        SCOPED_TRACE(data.name + ", " + to_string(set) + ", query " + std::to_string(q));
        expect_same_bits(expected[q], hits[q]);
        if (HasFatalFailure()) return;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Metrics, Int8BoundMetricTest,
                         ::testing::Values(Metric::kInnerProduct, Metric::kL2),
                         [](const auto& test) { return to_string(test.param); });

TEST(Int8BoundTest, ReachesEveryScoreOfEveryPair) {
  std::mt19937_64 random(rookery::testing::seed());
  for (const Data& data : adversarial_data(random)) {
    const auto width = static_cast<std::size_t>(data.dimension);
    std::vector<std::uint8_t> query_codes(
        static_cast<std::size_t>(index_tools::int8_stride(data.dimension)));
    std::vector<std::uint8_t> codes(query_codes.size());
    for (const Metric metric : {Metric::kInnerProduct, Metric::kL2}) {
      for (std::size_t q = 0; q < data.queries.size() / width; ++q) {
        const auto query = std::span(data.queries).subspan(q * width, width);
        const detail::Int8Bound bound(metric, query,
                                      index_tools::quantise_row(query, query_codes.data()));
        for (std::size_t row = q; row < static_cast<std::size_t>(kRows); row += 37) {
          const auto vector = std::span(data.vectors).subspan(row * width, width);
          const index_tools::Int8Row quantised = index_tools::quantise_row(vector, codes.data());
          index_tools::Int8Codes one;
          one.count = 1;
          one.errors = std::span(&quantised.error, 1);
          one.norms = std::span(&quantised.norm, 1);
          std::int32_t sum = 0;
          for (std::size_t i = 0; i < width; ++i) {
            sum += (std::int32_t{codes[i]} - 128) * (std::int32_t{query_codes[i]} - 128);
          }
          const auto limits = bound.limits(testing::law_score(metric, query, vector));
          float key = metric == Metric::kL2 ? detail::int8_extras(one).front() : 0.0F;
          key += limits.b * quantised.norm;
          key += limits.a * quantised.error;
          key += quantised.scale * (bound.scale() * static_cast<float>(sum));
          ASSERT_GE(key, limits.limit)
              << data.name << " " << to_string(metric) << " query " << q << " row " << row;
        }
      }
    }
  }
}

TEST(Int8IndexErrorTest, RefusesAShardWithoutTheFile) {
  const auto shard =
      std::make_shared<DenseShard>(1, std::vector<std::int64_t>{1}, std::vector<float>{1}, false);
  EXPECT_EQ(rookery::testing::error_text(
                [&] { make_int8_index(shard, Metric::kL2, std::make_shared<SearchTeam>(1)); }),
            "shard 0: int8: expected an int8 file, found none; build the index with --index int8");
}

TEST(Int8IndexErrorTest, RefusesTheFileOfAnotherShard) {
  std::mt19937_64 random(1);
  const auto shard = with_int8(8, testing::random_vectors(random, 10, 8));
  const auto other = with_int8(8, testing::random_vectors(random, 10, 8));
  const auto bytes = other->file("int8");
  shard->add_file("int8", {bytes.begin(), bytes.end()});
  EXPECT_EQ(rookery::testing::error_text(
                [&] { make_int8_index(shard, Metric::kL2, std::make_shared<SearchTeam>(1)); }),
            "shard 0: int8: row 0 was made from another vector; build the int8 index again");
}

TEST(Int8IndexErrorTest, StopsAtTheDeadline) {
  std::mt19937_64 random(1);
  const auto vectors = testing::random_vectors(random, 100, 8);
  const auto index = make_int8_index(with_int8(8, vectors), Metric::kInnerProduct,
                                     std::make_shared<SearchTeam>(1));
  SearchBatch batch;
  batch.queries = std::span(vectors).first(8);
  batch.deadline = std::chrono::steady_clock::now();
  try {
    (void)index->search(batch);
    ADD_FAILURE() << "searched beyond the deadline";
  } catch (const RetrievalError& error) {
    EXPECT_EQ(error.fault(), RetrievalFault::kDeadline);
  }
}

}  // namespace
}  // namespace rookery::retriever_pool
