#include "serving/ralm_request.hpp"

#include <gtest/gtest.h>

#include <string>

#include "tests/serving/ralm_oracle.hpp"

namespace rookery::serving {
namespace {

using testing::OracleAnswer;
using testing::ToyWorld;

AnswererOptions options_for(std::int32_t stride_tokens) {
  AnswererOptions options;
  options.ralm.stride_tokens = stride_tokens;
  return options;
}

Speculation speculation_of(std::int32_t stride, std::int32_t prefetch = 1) {
  Speculation speculation;
  speculation.stride = stride;
  speculation.prefetch = prefetch;
  return speculation;
}

Answer serve(ToyWorld& world, const std::string& question, std::int32_t tokens_max,
             const Speculation& speculation, std::int32_t stride_tokens = 4) {
  Answerer answerer(world.parts(), options_for(stride_tokens));
  Question asked;
  asked.text = question;
  asked.max_new_tokens = tokens_max;
  asked.speculation = speculation;
  return answerer.answer(asked, {});
}

void expect_equal(const Answer& answer, const OracleAnswer& oracle, const std::string& what) {
  ASSERT_EQ(answer.tokens, oracle.tokens) << what;
  ASSERT_EQ(answer.finish, oracle.ended ? Finish::kStop : Finish::kLength) << what;
  ASSERT_EQ(answer.trace.size(), oracle.trace.size()) << what;
  for (std::size_t i = 0; i < oracle.trace.size(); ++i) {
    const RetrievalPoint& point = answer.trace[i];
    ASSERT_EQ(point.position, oracle.trace[i].first) << what;
    ASSERT_EQ(point.passage == nullptr ? -1 : point.passage->id, oracle.trace[i].second) << what;
  }
}

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

const std::vector<std::int32_t> kStrides = {0, 1, 2, 3, 5, 8};

// 300 requests: five kinds of pool, prompts of 1 to 60 tokens, lengths that are no multiple of the
// stride, ends of sequence by chance (also under a wrongly guessed document).
TEST(RalmRequestTest, TokensStopAndTraceEqualTheOracleWhateverTheSpeculation) {
  std::int64_t wasted = 0, hits = 0, stops = 0;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    const auto documents = testing::random_documents(seed, 12, 6);
    const std::vector<testing::ScriptedRetriever::Row> pools = {
        testing::exact_rows(documents), testing::always_rows(6), testing::never_rows(),
        testing::exact_rows({}),
        [rows = testing::exact_rows(documents)](std::span<const float> query, std::int32_t k) {
          // Some queries find nothing.
          return query[0] > 0 ? std::vector<retriever_pool::Document>{} : rows(query, k);
        }};
    const auto& pool = pools[seed % pools.size()];
    const std::size_t length = 1 + seed * 7 % 60;
    const std::string question = std::string(length - 1, static_cast<char>('A' + seed % 26)) + "?";
    const auto tokens_max = static_cast<std::int32_t>(1 + seed * 11 % 41);
    const auto stride_tokens = static_cast<std::int32_t>(1 + seed % 5);

    ToyWorld world(pool, 6, 1 + seed % 4);
    world.generator.seed = seed;
    world.generator.end_one_in = seed % 2 == 0 ? 0 : 25;
    const OracleAnswer oracle = testing::serve_naively(world.generator, question, pool,
                                                       world.encoder, stride_tokens, tokens_max);
    stops += oracle.ended ? 1 : 0;
    for (const std::int32_t stride : kStrides) {
      for (const std::int32_t prefetch : {1, 4}) {
        Speculation speculation = speculation_of(stride, prefetch);
        speculation.prefetch_always = seed % 3 == 0;
        speculation.cache_passages_max = seed % 4 == 0 ? 1 : 512;
        const Answer answer = serve(world, question, tokens_max, speculation, stride_tokens);
        expect_equal(answer, oracle,
                     "seed " + std::to_string(seed) + ", stride " + std::to_string(stride));
        wasted += answer.counts.wasted_strides;
        hits += answer.counts.hits;

        // specs/ralmspec.md 8.2, 10: bounds that hold for any pool; n retrievals in all.
        const auto n = static_cast<std::int64_t>(oracle.trace.size());
        const std::int64_t s = std::max(stride, 1);
        EXPECT_LE(answer.counts.calls, n);
        EXPECT_GE(answer.counts.calls, 1 + ceil_div(n - 1, s));
        EXPECT_GE(answer.counts.queries, n);
        EXPECT_EQ(answer.counts.strides - answer.counts.wasted_strides,
                  n);  // accepted strides
      }
    }
  }
  // The comparison means something only if guesses were right, were wrong, and answers ended.
  EXPECT_GT(wasted, 500);
  EXPECT_GT(hits, 500);
  EXPECT_GT(stops, 50);
}

TEST(RalmRequestTest, NothingFollowsAnEndOfSequenceAtAnyOffset) {
  for (std::int32_t end = 0; end <= 24; ++end) {
    const auto pool = testing::exact_rows(testing::random_documents(5, 12, 6));
    ToyWorld world(pool, 6, 2);
    world.generator.end_position = end;
    const OracleAnswer oracle =
        testing::serve_naively(world.generator, "why?", pool, world.encoder, 4, 22);
    EXPECT_EQ(oracle.tokens.size(), static_cast<std::size_t>(std::min(end, 22)));
    for (const std::int32_t stride : kStrides) {
      expect_equal(serve(world, "why?", 22, speculation_of(stride)), oracle,
                   "end " + std::to_string(end) + ", stride " + std::to_string(stride));
    }
  }
}

// specs/ralmspec.md 8.2, 7: N = 128 new tokens, g = 4, n = 32 retrievals.
TEST(RalmRequestTest, TheBaselineCallsOnceARetrievalWithOneEncodingEach) {
  ToyWorld world(testing::exact_rows(testing::random_documents(1, 12, 6)));
  const Answer answer = serve(world, "why?", 128, speculation_of(0));
  EXPECT_EQ(answer.counts.calls, 32);
  EXPECT_EQ(answer.counts.queries, 32);
  EXPECT_EQ(answer.counts.strides, 32);
  EXPECT_EQ(answer.counts.encodings, 32);
  EXPECT_EQ(answer.counts.checked, 0);  // no look-up in a cache
  EXPECT_EQ(world.retriever.calls, 32);
}

TEST(RalmRequestTest, APoolThatAlwaysMatchesIsCalledOnceARound) {
  const std::map<std::int32_t, std::int64_t> calls = {{1, 32}, {2, 17}, {3, 12}, {4, 9}, {8, 5}};
  for (const auto& [stride, expected] : calls) {
    ToyWorld world(testing::always_rows(6));
    const Answer answer = serve(world, "why?", 128, speculation_of(stride));
    EXPECT_EQ(answer.counts.calls, expected) << stride;
    EXPECT_EQ(answer.counts.queries, 32) << stride;
    EXPECT_EQ(answer.counts.strides, 32) << stride;
    EXPECT_EQ(answer.counts.hits, 31) << stride;
    EXPECT_EQ(answer.counts.wasted_strides, 0) << stride;
  }
}

TEST(RalmRequestTest, APoolThatNeverMatchesCostsNoMoreCallsThanTheBaseline) {
  const std::map<std::int32_t, std::int64_t> strides = {
      {1, 32}, {2, 63}, {3, 93}, {4, 122}, {8, 228}};
  for (const auto& [stride, expected] : strides) {
    ToyWorld world(testing::never_rows(), 40);
    const Answer answer = serve(world, "why?", 128, speculation_of(stride));
    EXPECT_EQ(answer.counts.calls, 32) << stride;
    EXPECT_EQ(answer.counts.strides, expected) << stride;
    EXPECT_EQ(answer.counts.hits, 0) << stride;
  }
}

TEST(RalmRequestTest, AStrideOfOneWithTheCacheCallsAsOftenAsTheBaseline) {
  ToyWorld world(testing::exact_rows(testing::random_documents(1, 12, 6)), 6, 2);
  const Answer answer = serve(world, "why?", 128, speculation_of(1));
  EXPECT_EQ(answer.counts.calls, 32);
  EXPECT_EQ(answer.counts.wasted_strides, 0);
}

// With a cache without bound, more documents at the start can only make more guesses right.
TEST(RalmRequestTest, PrefetchNeverLowersTheShareOfRightGuesses) {
  double before = 0;
  for (const std::int32_t prefetch : {1, 3, 6, 12}) {
    double hits = 0, checked = 0;
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      ToyWorld world(testing::exact_rows(testing::random_documents(seed, 12, 6)), 6, 2);
      world.generator.seed = seed;
      const Answer answer = serve(world, "why?", 128, speculation_of(1, prefetch));
      hits += static_cast<double>(answer.counts.hits);
      checked += static_cast<double>(answer.counts.checked);
    }
    EXPECT_GE(hits / checked, before) << prefetch;
    before = hits / checked;
  }
  EXPECT_EQ(before, 1.0);  // all 12 documents are in the cache
}

TEST(RalmRequestTest, TheQueryIsTheLastThirtyTwoTokensOfQuestionAndAnswer) {
  ToyWorld world(testing::always_rows(6));
  const std::string question = std::string(40, 'Q') + "?";
  const Answer answer = serve(world, question, 12, speculation_of(0));
  ASSERT_EQ(world.encoder.seen.size(), 3U);
  EXPECT_EQ(world.encoder.seen[0], std::string(31, 'Q') + "?");
  EXPECT_EQ(world.encoder.seen[1], std::string(27, 'Q') + "?" + answer.text.substr(0, 4));
  EXPECT_EQ(world.encoder.seen[2], std::string(23, 'Q') + "?" + answer.text.substr(0, 8));
}

TEST(RalmRequestTest, OnlyTokensThatStayAreVerified) {
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    const auto row = testing::exact_rows(testing::random_documents(seed, 12, 6));
    ToyWorld world(row, 6, 2);
    world.generator.seed = seed;
    const OracleAnswer oracle =
        testing::serve_naively(world.generator, "why?", row, world.encoder, 4, 50);
    const PlainPrompt prompt(world.tokenizer, "why?", {});
    RalmOptions options;
    options.max_new_tokens = 50;
    RalmRequest request(options, prompt, world.tokenizer, retriever_pool::Metric::kInnerProduct);
    std::size_t before = 0;
    while (request.need() != RalmRequest::Need::kNothing) {
      if (request.need() == RalmRequest::Need::kEncoding) {
        request.encoded(world.encoder.encode(std::vector<std::string>{request.query_text()}));
      } else if (request.need() == RalmRequest::Need::kRetrieval) {
        request.retrieved(world.retriever.retrieve(request.retrieval()));
      } else {
        const Continuation next =
            world.generator.continue_greedily(request.input(), request.tokens_wanted());
        request.generated(next.tokens, next.ended);
      }
      const auto verified = request.verified();
      ASSERT_GE(verified.size(), before);
      ASSERT_TRUE(std::equal(verified.begin(), verified.end(), oracle.tokens.begin()));
      before = verified.size();
    }
    EXPECT_EQ(before, oracle.tokens.size());
  }
}

TEST(RalmRequestTest, RefusesAnAnswerWithAnotherNumberOfRows) {
  ToyWorld world(testing::always_rows(6));
  const PlainPrompt prompt(world.tokenizer, "why?", {});
  RalmRequest request({}, prompt, world.tokenizer, retriever_pool::Metric::kInnerProduct);
  request.encoded(std::vector<float>(6, 1.0F));
  try {
    request.retrieved({});
    FAIL() << "expected an error";
  } catch (const std::invalid_argument& error) {
    EXPECT_STREQ(error.what(), "RalmRequest: expected 1 rows from the pool, got 0");
  }
}

TEST(RalmRequestTest, WithoutAWorkloadNothingIsRetrieved) {
  ToyWorld world(testing::never_rows());
  AnswererOptions options;
  options.ralm.workload = Workload::kNone;
  AnswererParts parts = world.parts();
  parts.encoder = nullptr;
  parts.retriever = nullptr;
  Answerer answerer(parts, options);
  Question question;
  question.text = "why?";
  question.max_new_tokens = 10;
  const Answer answer = answerer.answer(question, {});
  EXPECT_EQ(answer.tokens.size(), 10U);
  EXPECT_EQ(answer.counts.calls, 0);
  EXPECT_TRUE(answer.passages().empty());
}

}  // namespace
}  // namespace rookery::serving
