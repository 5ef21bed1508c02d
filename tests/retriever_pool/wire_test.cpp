#include "retriever_pool/wire.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <functional>
#include <limits>
#include <random>

#include "base/checksum.hpp"
#include "retriever_pool/detail/sockets.hpp"
#include "retriever_pool/wire_bodies.hpp"

namespace rookery::retriever_pool::wire {
namespace {

using retriever_pool::detail::bytes_of;

Header sample_header() {
  Header header;
  header.type = Type::kQuery;
  header.priority = 3;
  header.coverage = Coverage::kComplete;
  header.attempt = 2;
  header.request = {0x0102030405060708ULL, 0x1112131415161718ULL};
  header.remaining_us = 123456;
  header.trace = 77;
  header.index = "wiki";
  header.generation = "7f3a00112233";
  return header;
}

std::string sample_query() {
  static const std::vector<float> queries = {1.5F, -0.0F, std::numeric_limits<float>::denorm_min(),
                                             4.0F, 5.0F,  -6.25F};
  RetrievalRequest request;
  request.queries = queries;
  request.k = 7;
  request.want_vectors = true;
  return encode_query(request, 3);
}

PassageFilter sample_filter() {
  PassageFilter filter;
  filter.allow_ids = {1, -2, 1LL << 60};
  filter.deny_ids = {7};
  filter.allow_titles = {"Title", "", "été"};
  filter.deny_titles = {"x"};
  filter.deny_topics = {"Sport", "Arts"};
  return filter;
}

std::string sample_text_query() {
  static const std::vector<std::string> texts = {"who proposed", "", "l'été\n"};
  RetrievalRequest request;
  request.texts = texts;
  request.kind = index_tools::IndexKind::kBm25;
  request.filter = sample_filter();
  return encode_query(request, 384);
}

std::string sample_id_query() {
  static const std::vector<std::int64_t> ids = {5, -9, 1LL << 62};
  RetrievalRequest request;
  request.ids = ids;
  request.k = 77;
  return encode_query(request, 384);
}

std::string sample_tuned_query() {
  static const std::vector<float> queries = {1.0F, 2.0F};
  RetrievalRequest request;
  request.queries = queries;
  request.kind = index_tools::IndexKind::kHnsw;
  request.tuning = {100, 16, 1000};
  return encode_query(request, 2);
}

const AnswerShape kShape{true, true, 2};
const AnswerShape kValuesShape{true, false, 2, true};

std::string sample_answer() {
  AnswerBody answer;
  answer.search_us = 11;
  answer.queue_us = 22;
  answer.rows = {{{5, 2.5F, "s", "t", "text", {1.0F, 2.0F}}, {9, 2.5F, "", "", "", {0.0F, -0.0F}}},
                 {},
                 {{-1, -3.0F, "source", "title", "é", {3.0F, 4.0F}}}};
  return encode_answer(answer, kShape);
}

std::string sample_value_answer() {
  AnswerBody answer;
  answer.rows = {{{5, 2.5F, "s", "t", "text", {}, 50257}, {9, 2.5F, "", "", "", {}, -1}}, {}, {}};
  return encode_answer(answer, kValuesShape);
}

ErrorCode refusal(const std::function<void()>& action) {
  try {
    action();
  } catch (const WireError& error) {
    return error.code();
  }
  ADD_FAILURE() << "nothing was refused";
  return ErrorCode::kInternal;
}

TEST(WireHeaderTest, ComesBackAsItWas) {
  const std::string body = "body";
  const std::string frame = encode_header(sample_header(), bytes_of(body));
  ASSERT_EQ(frame.size(), kHeaderBytes);
  const Header header = decode_header(bytes_of(frame));
  EXPECT_EQ(header.type, Type::kQuery);
  EXPECT_EQ(header.priority, 3);
  EXPECT_EQ(header.coverage, Coverage::kComplete);
  EXPECT_EQ(header.attempt, 2U);
  EXPECT_EQ(header.request, sample_header().request);
  EXPECT_EQ(header.remaining_us, 123456U);
  EXPECT_EQ(header.trace, 77U);
  EXPECT_EQ(header.index, "wiki");
  EXPECT_EQ(header.generation, "7f3a00112233");
  EXPECT_EQ(header.body_bytes, 4U);
  check_body(header, bytes_of(body));
}

TEST(WireHeaderTest, LiesInMemoryAsDocumented) {
  const std::string frame = encode_header(sample_header(), {});
  EXPECT_EQ(frame.substr(0, 4), "RKRY");
  EXPECT_EQ(frame[4], 1);  // version, low byte first
  EXPECT_EQ(static_cast<unsigned char>(frame[6]), 128);
  EXPECT_EQ(frame[8], 1);      // type
  EXPECT_EQ(frame[16], 0x08);  // request id, high half, little-endian
  EXPECT_EQ(frame.substr(48, 5), std::string("wiki\0", 5));
}

TEST(WireHeaderTest, TheNextVersionWithUnknownExtensionsIsTaken) {
  Header header = sample_header();
  header.version = kVersion + 1;
  const std::string extensions("\x07\x00\x03\x00xyz\x09\x00\x00\x00", 11);
  const std::string frame = encode_header(header, {}, bytes_of(extensions));
  EXPECT_EQ(decode_header(bytes_of(frame)).attempt, 2U);
}

TEST(WireHeaderTest, OtherVersionsAreRefusedByName) {
  for (const int version : {0, kVersion + 2, 65535}) {
    Header header = sample_header();
    header.version = static_cast<std::uint16_t>(version);
    const std::string frame = encode_header(header, {});
    EXPECT_EQ(refusal([&] { (void)decode_header(bytes_of(frame)); }), ErrorCode::kBadVersion);
  }
}

TEST(WireHeaderTest, ATruncatedExtensionIsRefused) {
  const std::string extensions("\x07\x00\x09\x00xyz", 7);
  const std::string frame = encode_header(sample_header(), {}, bytes_of(extensions));
  EXPECT_EQ(refusal([&] { (void)decode_header(bytes_of(frame)); }), ErrorCode::kMalformed);
}

TEST(WireHeaderTest, AGiganticBodyIsRefusedByTheHeaderAlone) {
  std::string frame = encode_header(sample_header(), {});
  // The checksum must fit, or this would be refused for another reason: claim 4 GiB, then repair
  // it.
  const std::uint64_t claim = 1ULL << 32;
  std::memcpy(frame.data() + 112, &claim, sizeof claim);
  std::memset(frame.data() + 124, 0, 4);
  const std::uint32_t crc = base::crc32c(bytes_of(frame));
  std::memcpy(frame.data() + 124, &crc, sizeof crc);
  EXPECT_EQ(refusal([&] { (void)decode_header(bytes_of(frame)); }), ErrorCode::kTooLarge);
}

TEST(WireHeaderTest, EveryFlippedBitAndEveryCutIsNoticed) {
  const std::string frame = encode_header(sample_header(), {});
  for (std::size_t byte = 0; byte < frame.size(); ++byte) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = frame;
      damaged[byte] = static_cast<char>(damaged[byte] ^ (1 << bit));
      EXPECT_THROW((void)decode_header(bytes_of(damaged)), WireError) << byte << ":" << bit;
    }
    const std::string cut = frame.substr(0, byte);
    EXPECT_THROW((void)decode_header(bytes_of(cut)), WireError) << byte;
  }
}

TEST(WireBodyTest, QueriesKeepEveryBit) {
  const QueryBody query = decode_query(bytes_of(sample_query()));
  EXPECT_EQ(query.batch, 2U);
  EXPECT_EQ(query.dimension, 3U);
  EXPECT_EQ(query.k, 7U);
  EXPECT_TRUE(query.want_passages && query.want_vectors);
  ASSERT_EQ(query.queries.size(), 6U);
  EXPECT_EQ(std::bit_cast<std::uint32_t>(query.queries[1]), 0x80000000U);
  EXPECT_EQ(query.queries[2], std::numeric_limits<float>::denorm_min());
}

TEST(WireBodyTest, ADenseQueryThatAsksForNothingNewHasTheBytesItAlwaysHad) {
  static const std::vector<float> queries = {1.0F, -2.0F};
  RetrievalRequest request;
  request.queries = queries;
  request.k = 7;
  request.want_vectors = true;
  const std::string expected("\1\0\0\0\2\0\0\0\7\0\0\0\3\0\0\0\0\0\x80\x3f\0\0\0\xc0", 24);
  EXPECT_EQ(encode_query(request, 2), expected);
}

TEST(WireBodyTest, TextsKindAndFilterComeBackAsTheyWere) {
  const QueryBody query = decode_query(bytes_of(sample_text_query()));
  EXPECT_EQ(query.batch, 3U);
  EXPECT_EQ(query.dimension, 0U);
  EXPECT_EQ(query.k, 5U);
  EXPECT_EQ(query.texts, (std::vector<std::string>{"who proposed", "", "l'été\n"}));
  EXPECT_EQ(query.kind, index_tools::IndexKind::kBm25);
  ASSERT_NE(query.filter, nullptr);
  EXPECT_EQ(*query.filter, sample_filter());
  EXPECT_TRUE(query.queries.empty() && query.ids.empty());
}

TEST(WireBodyTest, IdsAndTuningComeBackAsTheyWere) {
  const QueryBody look_up = decode_query(bytes_of(sample_id_query()));
  EXPECT_EQ(look_up.ids, (std::vector<std::int64_t>{5, -9, 1LL << 62}));
  EXPECT_EQ(look_up.k, 1U);
  EXPECT_EQ(look_up.filter, nullptr);
  const QueryBody tuned = decode_query(bytes_of(sample_tuned_query()));
  EXPECT_EQ(tuned.kind, index_tools::IndexKind::kHnsw);
  EXPECT_EQ(tuned.tuning, (SearchTuning{100, 16, 1000}));
  EXPECT_EQ(tuned.queries, (std::vector<float>{1.0F, 2.0F}));
}

/// `body` with a number put in at a byte.
std::string with_number(std::string body, std::size_t at, std::uint32_t number) {
  std::memcpy(body.data() + at, &number, sizeof number);
  return body;
}

TEST(WireBodyTest, UnknownFlagsAreRefused) {
  for (const std::uint32_t flag : {128U, 1U << 31}) {
    EXPECT_EQ(refusal([&] { (void)decode_query(bytes_of(with_number(sample_query(), 12, flag))); }),
              ErrorCode::kInvalid);
  }
  // Texts and ids at once.
  EXPECT_EQ(
      refusal([&] { (void)decode_query(bytes_of(with_number(sample_id_query(), 12, 8 | 16))); }),
      ErrorCode::kInvalid);
}

TEST(WireBodyTest, NumbersOfTheNewPartsAreCheckedBeforeMemoryIsAskedFor) {
  const auto expect = [](const std::string& body, ErrorCode code) {
    EXPECT_EQ(refusal([&] { (void)decode_query(bytes_of(body)); }), code);
  };
  expect(with_number(sample_tuned_query(), 16, 6), ErrorCode::kInvalid);         // kind
  expect(with_number(sample_tuned_query(), 20, 65537), ErrorCode::kInvalid);     // ef_search
  expect(with_number(sample_tuned_query(), 24, 1U << 31), ErrorCode::kInvalid);  // nprobe
  expect(with_number(sample_tuned_query(), 28, 1U << 21), ErrorCode::kInvalid);  // candidates
  expect(with_number(sample_text_query(), 4, 384), ErrorCode::kInvalid);  // a dimension with texts
  expect(with_number(sample_text_query(), 32, 65537), ErrorCode::kInvalid);  // a text's bytes
  expect(with_number(sample_text_query(), 32, 65536), ErrorCode::kMalformed);
  expect(with_number(sample_id_query(), 0, 1024), ErrorCode::kMalformed);
  const std::size_t filter =
      sample_text_query().size() - static_cast<std::size_t>(filter_bytes(sample_filter())) - 24;
  expect(with_number(sample_text_query(), filter, 1U << 20), ErrorCode::kTooLarge);
  expect(with_number(sample_text_query(), filter, 1U << 19), ErrorCode::kMalformed);
  expect(with_number(sample_text_query(), filter + 8, 0xFFFFFFFFU), ErrorCode::kTooLarge);
  std::string bloated = sample_text_query() + std::string(17 << 20, 'x');
  expect(bloated, ErrorCode::kTooLarge);
}

TEST(WireBodyTest, ValuesOfADatastoreComeWithTheHits) {
  const std::string body = sample_value_answer();
  const AnswerBody answer = decode_answer(bytes_of(body), 3, 2, {true, false, 2});
  EXPECT_EQ(answer.rows[0][0].value, 50257);
  EXPECT_EQ(answer.rows[0][1].value, -1);
  EXPECT_EQ(answer.rows[0][0].text, "text");
  EXPECT_EQ(static_cast<std::int64_t>(body.size()), answer_bytes(answer, kValuesShape));
  const std::string without = sample_answer();
  const AnswerBody plain = decode_answer(bytes_of(without), 3, 2, kShape);
  EXPECT_EQ(plain.rows[0][0].value, std::nullopt);
}

TEST(WireBodyTest, ALookUpThatBringsASecondHitOrAScoreIsRefused) {
  AnswerShape shape{false, false, 0};
  shape.look_up = true;
  AnswerBody answer;
  answer.rows = {{{5, 0.0F, "", "", "", {}}}, {}};
  EXPECT_NO_THROW((void)decode_answer(bytes_of(encode_answer(answer, shape)), 2, 1, shape));
  answer.rows = {{{5, 0.5F, "", "", "", {}}}, {}};
  EXPECT_THROW((void)decode_answer(bytes_of(encode_answer(answer, shape)), 2, 1, shape), WireError);
  answer.rows = {{{5, 0.0F, "", "", "", {}}, {6, 0.0F, "", "", "", {}}}, {}};
  EXPECT_THROW((void)decode_answer(bytes_of(encode_answer(answer, shape)), 2, 2, shape), WireError);
}

TEST(WireBodyTest, AnswersComeBackAsTheyWere) {
  const std::string body = sample_answer();
  const AnswerBody answer = decode_answer(bytes_of(body), 3, 2, kShape);
  EXPECT_EQ(answer.search_us, 11U);
  ASSERT_EQ(answer.rows.size(), 3U);
  EXPECT_EQ(answer.rows[0][1].id, 9);
  EXPECT_EQ(answer.rows[0][0].text, "text");
  EXPECT_EQ(answer.rows[2][0].text, "é");
  EXPECT_EQ(answer.rows[2][0].vector, (std::vector<float>{3.0F, 4.0F}));
  EXPECT_EQ(static_cast<std::int64_t>(body.size()), answer_bytes(answer, kShape));
}

TEST(WireBodyTest, AnswersOutOfOrderOrTooLongAreRefused) {
  const AnswerShape shape{false, false, 2};
  AnswerBody answer;
  answer.rows = {{{9, 2.5F, "", "", "", {}}, {5, 2.5F, "", "", "", {}}}};
  const std::string wrong_order = encode_answer(answer, shape);
  EXPECT_THROW((void)decode_answer(bytes_of(wrong_order), 1, 5, shape), WireError);
  answer.rows = {{{5, 2.5F, "", "", "", {}}, {9, 2.5F, "", "", "", {}}}};
  const std::string good = encode_answer(answer, shape);
  EXPECT_NO_THROW((void)decode_answer(bytes_of(good), 1, 2, shape));
  EXPECT_THROW((void)decode_answer(bytes_of(good), 1, 1, shape), WireError);
  EXPECT_THROW((void)decode_answer(bytes_of(good), 2, 2, shape), WireError);
  answer.rows = {{{5, std::numeric_limits<float>::quiet_NaN(), "", "", "", {}}}};
  EXPECT_THROW((void)decode_answer(bytes_of(encode_answer(answer, shape)), 1, 1, shape), WireError);
}

TEST(WireBodyTest, CountsAreCheckedBeforeMemoryIsAskedFor) {
  std::string body = sample_query();
  const std::uint32_t huge = 1024;
  std::memcpy(body.data(), &huge, 4);  // 1024 queries of dimension 65536 in 24 bytes
  const std::uint32_t wide = 65536;
  std::memcpy(body.data() + 4, &wide, 4);
  EXPECT_EQ(refusal([&] { (void)decode_query(bytes_of(body)); }), ErrorCode::kMalformed);
}

TEST(WireBodyTest, KOutsideItsRangeIsInvalid) {
  for (const std::uint32_t k : {0U, 1025U, 10000U, 0xFFFFFFFFU}) {
    std::string body = sample_query();
    std::memcpy(body.data() + 8, &k, 4);
    EXPECT_EQ(refusal([&] { (void)decode_query(bytes_of(body)); }), ErrorCode::kInvalid) << k;
  }
}

// Random damage to bodies that checksums would normally stop: decoders must stand on their own.
TEST(WireFuzzTest, DamagedBodiesAreDecodedOrRefusedButNeverCrash) {
  std::mt19937_64 random(20);
  const std::vector<std::function<void(std::span<const std::byte>)>> decoders = {
      [](auto b) { (void)decode_query(b); },
      [](auto b) { (void)decode_query(b); },
      [](auto b) { (void)decode_answer(b, 3, 1024, kShape); },
      [](auto b) {
        (void)decode_answer(b, 3, 1024, {false, false, 2});
      },
      [](auto b) { (void)decode_error(b); },
      [](auto b) { (void)decode_pong(b); },
      [](auto b) { (void)decode_view_request(b); },
      [](auto b) { (void)decode_header(b); }};
  const std::vector<std::string> seeds = {sample_query(),
                                          sample_text_query(),
                                          sample_id_query(),
                                          sample_tuned_query(),
                                          sample_answer(),
                                          sample_value_answer(),
                                          encode_error({ErrorCode::kOverloaded, 5, "full"}),
                                          encode_pong({1, 2, 3}),
                                          encode_view_request({4, 5}),
                                          encode_header(sample_header(), {})};
  int refused = 0;
  for (int round = 0; round < 60000; ++round) {
    std::string body = seeds[random() % seeds.size()];
    for (std::uint64_t change = random() % 5; change > 0 && !body.empty(); --change) {
      switch (random() % 4) {
        case 0:
          body[random() % body.size()] = static_cast<char>(random());
          break;
        case 1:
          body.resize(random() % body.size());
          break;
        case 2:
          body.append(std::string(random() % 40, static_cast<char>(random())));
          break;
        default: {
          const std::uint32_t number = random() % 2 == 0 ? 0xFFFFFFFFU : 1U << (random() % 32);
          if (body.size() >= 4) std::memcpy(body.data() + random() % (body.size() - 3), &number, 4);
        }
      }
    }
    try {
      decoders[random() % decoders.size()](bytes_of(body));
    } catch (const WireError&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 10000);
}

}  // namespace
}  // namespace rookery::retriever_pool::wire
