#include "launch/recall_curve.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/error_text.hpp"

namespace rookery::launch {
namespace {

using index_tools::IndexKind;
using retriever_pool::Document;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

/// Exact search finds ids 0, 1, 2, 3 with scores 4, 3, 3, 1. An approximate search leaves out as
/// many of the first as its setting is short of 3; with 2 it misses 0, with 1 also 1.
class FakePool final : public retriever_pool::Retriever {
 public:
  retriever_pool::RetrievalAnswer retrieve(
      const retriever_pool::RetrievalRequest& request) override {
    const std::int32_t setting =
        *request.kind == IndexKind::kHnsw ? request.tuning.ef_search : request.tuning.nprobe;
    const std::int32_t missed = *request.kind == IndexKind::kExact ? 0 : 3 - setting;
    std::vector<Document> row;
    for (std::int32_t id = missed; id < 4 && std::ssize(row) < request.k; ++id) {
      Document document;
      document.id = id;
      document.score = scores_[id];
      row.push_back(document);
    }
    retriever_pool::RetrievalAnswer answer;
    answer.rows.assign(request.queries.size() / 2, row);
    return answer;
  }
  retriever_pool::IndexDescription description() override {
    retriever_pool::IndexDescription index;
    index.dimension = 2;
    index.kinds = {IndexKind::kExact, IndexKind::kHnsw, IndexKind::kIvfPq};
    return index;
  }

 private:
  std::vector<float> scores_ = {4, 3, 3, 1};
};

RecallCurve measure(IndexKind kind) {
  FakePool pool;
  const std::vector<float> queries(2 * 70, 1.0F);  // more than one batch
  RecallCurveOptions options;
  options.kind = kind;
  options.ks = {1, 2, 3};
  options.settings = {1, 2, 3};
  return measure_recall_curve(pool, queries, options);
}

TEST(RecallCurveTest, CountsWhatScoresAsWellAsTheExactRows) {
  for (const IndexKind kind : {IndexKind::kHnsw, IndexKind::kIvfPq}) {
    const RecallCurve curve = measure(kind);
    EXPECT_EQ(curve.queries, 70);
    ASSERT_EQ(curve.points.size(), 3U);
    // Missing 0: the first two are ids 1 and 2, both as good as the second of exact search.
    EXPECT_DOUBLE_EQ(curve.points[1].recall.at(1), 0);
    EXPECT_DOUBLE_EQ(curve.points[1].recall.at(2), 1);
    EXPECT_DOUBLE_EQ(curve.points[1].recall.at(3), 2.0 / 3);
    // Missing 0 and 1: ids 2 and 3.
    EXPECT_DOUBLE_EQ(curve.points[0].recall.at(2), 0.5);
    for (const std::int32_t k : {1, 2, 3}) EXPECT_DOUBLE_EQ(curve.points[2].recall.at(k), 1);
  }
  EXPECT_EQ(measure(IndexKind::kHnsw).knob, "ef_search");
  EXPECT_EQ(measure(IndexKind::kIvfPq).knob, "nprobe");
}

TEST(RecallCurveTest, RefusesKindsThatItCannotCompare) {
  EXPECT_THAT(rookery::testing::error_text([] { (void)measure(IndexKind::kInt8); }),
              AllOf(HasSubstr("exact, hnsw, ivfpq"), HasSubstr("got int8")));
  EXPECT_THAT(rookery::testing::error_text([] { (void)measure(IndexKind::kBm25); }),
              HasSubstr("got bm25"));
}

TEST(RecallCurveTest, DrawsALineForEveryKAndNamesTheSettings) {
  RecallCurve curve;
  curve.kind = "ivfpq";
  curve.knob = "nprobe";
  curve.points = {{8, {{1, 0.9}, {5, 0.8}}, 0.1, 0.2}, {64, {{1, 1.0}, {5, 0.99}}, 0.4, 0.5}};
  const std::string svg = draw_recall_curve(curve, "5 < 6 & more");
  EXPECT_THAT(svg, AllOf(HasSubstr("5 &lt; 6 &amp; more"), Not(HasSubstr("5 < 6"))));
  EXPECT_THAT(svg, AllOf(HasSubstr(">8</text>"), HasSubstr(">64</text>"),
                         HasSubstr("numbers: nprobe"), HasSubstr("recall@5")));
  std::size_t lines = 0;
  for (std::size_t at = 0; (at = svg.find("<polyline points=\"", at)) != std::string::npos; ++at) {
    ++lines;
  }
  EXPECT_EQ(lines, 2U);
  EXPECT_TRUE(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
}

TEST(RecallCurveTest, DrawsOnePointOfAKindWithoutSettings) {
  RecallCurve curve;
  curve.kind = "int8";
  curve.points = {{0, {{5, 1.0}}, 0.2, 0.3}};
  const std::string svg = draw_recall_curve(curve, "int8");
  EXPECT_THAT(svg, AllOf(Not(HasSubstr("nan")), Not(HasSubstr("inf")), HasSubstr("<circle")));
}

}  // namespace
}  // namespace rookery::launch
