#include "retriever_pool/query_server.hpp"

#include <gtest/gtest.h>

#include <iterator>
#include <limits>
#include <map>
#include <set>

#include "base/error.hpp"
#include "memory_shard.hpp"
#include "raw_peer.hpp"
#include "retriever_pool/admission_queue.hpp"
#include "retriever_pool/peer_quarantine.hpp"
#include "retriever_pool/view_server.hpp"
#include "tests/support/error_text.hpp"
#include "tests/support/eventually.hpp"

namespace rookery::retriever_pool {
namespace {

using testing::Corpus;
using testing::RawClient;
using testing::RawMessage;
using wire::ErrorCode;

/// A shard whose passages cannot be read until the gate opens: it holds a search thread up.
class GatedShard final : public index_tools::SnapshotShard {
 public:
  explicit GatedShard(std::shared_ptr<const index_tools::SnapshotShard> inner)
      : inner_(std::move(inner)) {}
  [[nodiscard]] std::int32_t shard() const override { return inner_->shard(); }
  [[nodiscard]] std::int64_t count() const override { return inner_->count(); }
  [[nodiscard]] std::int32_t dimension() const override { return inner_->dimension(); }
  [[nodiscard]] std::span<const std::int64_t> ids() const override { return inner_->ids(); }
  [[nodiscard]] std::span<const float> vectors() const override { return inner_->vectors(); }
  [[nodiscard]] index_tools::PassageView passage(std::int64_t row) const override {
    std::unique_lock lock(mutex_);
    held_ = true;
    opened_.wait(lock, [this] { return open_; });
    return inner_->passage(row);
  }
  [[nodiscard]] std::optional<std::int64_t> row_of(std::int64_t id) const override {
    return inner_->row_of(id);
  }
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    opened_.notify_all();
  }
  [[nodiscard]] bool held() const {
    const std::lock_guard lock(mutex_);
    return held_;
  }

 private:
  std::shared_ptr<const index_tools::SnapshotShard> inner_;
  mutable std::mutex mutex_;
  mutable std::condition_variable opened_;
  bool open_ = false;
  mutable bool held_ = false;
};

class QueryServerTest : public ::testing::Test {
 protected:
  static wire::Header header(std::uint64_t id, std::uint64_t remaining_us = 10'000'000) {
    wire::Header h;
    h.type = wire::Type::kQuery;
    h.request = {1, id};
    h.remaining_us = remaining_us;
    h.generation = "g1";
    return h;
  }
  static std::string query(std::int32_t k = 5, std::size_t dimension = 8, float value = 0.5F) {
    const std::vector<float> vector(dimension, value);
    RetrievalRequest request;
    request.queries = vector;
    request.k = k;
    return wire::encode_query(request, static_cast<std::int32_t>(dimension));
  }
  [[nodiscard]] std::unique_ptr<QueryServer> serve(
      std::shared_ptr<const index_tools::SnapshotShard> served, QueryServerOptions options = {}) {
    return std::make_unique<QueryServer>(options, std::move(served), "g1", metrics);
  }
  /// A scan is counted after its answers have left.
  void expect_metric(const std::string& line) const {
    EXPECT_TRUE(rookery::testing::eventually([&] {
      return metrics.text().find(line) != std::string::npos;
    })) << line
        << " is not in\n"
        << metrics.text();
  }

  Corpus corpus{31, 300, 8};
  std::shared_ptr<const index_tools::SnapshotShard> shard = corpus.split(1).front();
  base::Metrics metrics;
};

TEST_F(QueryServerTest, AnswersWithGenerationCoverageAndRequestId) {
  const auto server = serve(shard);
  RawClient client(server->endpoint());
  wire::Header h = header(77);
  h.attempt = 3;
  h.trace = 99;
  client.send(h, query());
  const RawMessage answer = client.receive();
  EXPECT_EQ(answer.header.type, wire::Type::kAnswer);
  EXPECT_EQ(answer.header.request, (wire::RequestId{1, 77}));
  EXPECT_EQ(answer.header.attempt, 3U);
  EXPECT_EQ(answer.header.trace, 99U);
  EXPECT_EQ(answer.header.generation, "g1");
  EXPECT_EQ(answer.header.coverage, wire::Coverage::kComplete);
  EXPECT_TRUE(rookery::testing::eventually([&] { return server->load().served == 1; }));
}

TEST_F(QueryServerTest, RefusesWrongRequestsWithAReason) {
  const auto server = serve(shard);
  RawClient client(server->endpoint());
  const auto refused = [&](const wire::Header& h, const std::string& body) {
    client.send(h, body);
    return client.receive_error();
  };
  EXPECT_EQ(refused(header(1), query(5, 9)).text, "queries: expected [batch, 8], got dimension 9");
  EXPECT_EQ(refused(header(2), query(0)).text, "k: expected a number in [1, 1024], got 0");
  EXPECT_EQ(refused(header(3), query(10000)).text, "k: expected a number in [1, 1024], got 10000");
  const auto nan = refused(header(4), query(5, 8, std::numeric_limits<float>::quiet_NaN()));
  EXPECT_EQ(nan.code, ErrorCode::kInvalid);
  EXPECT_EQ(nan.text,
            "query 0 holds NaN or infinity, or is longer than 1e18: expected finite numbers");
  wire::Header other = header(5);
  other.generation = "g2";
  const auto generation = refused(other, query());
  EXPECT_EQ(generation.code, ErrorCode::kWrongGeneration);
  EXPECT_EQ(generation.text, "expected generation g1, got g2");
  EXPECT_EQ(refused(header(6, 0), query()).code, ErrorCode::kDeadline);
  wire::Header strange = header(7);
  strange.type = wire::Type::kAnswer;
  EXPECT_EQ(refused(strange, query()).code, ErrorCode::kMalformed);
  EXPECT_EQ(server->load().refused, 7);
  EXPECT_NE(
      metrics.text().find("rookery_pool_refused_total{priority=\"verification\",reason=\"invalid\","
                          "shard=\"0\"} 4"),
      std::string::npos);
}

TEST_F(QueryServerTest, RefusesWhatItCannotSearchAndNamesWhatItCan) {
  const auto server = serve(shard);
  RawClient client(server->endpoint());
  const auto refused = [&](const RetrievalRequest& request, std::int32_t dimension = 8) {
    client.send(header(1), wire::encode_query(request, dimension));
    const wire::ErrorBody error = client.receive_error();
    EXPECT_EQ(error.code, ErrorCode::kInvalid);
    return error.text;
  };
  const std::vector<std::string> texts = {"actor"};
  const std::vector<float> vectors(8, 1.0F);
  RetrievalRequest request;
  request.texts = texts;
  EXPECT_EQ(refused(request), "kind: expected one that this pool has (exact), got bm25");
  request.kind = index_tools::IndexKind::kExact;
  EXPECT_EQ(refused(request),
            "texts: expected query vectors for exact, got texts; bm25 takes them");
  request = {};
  request.queries = vectors;
  request.kind = index_tools::IndexKind::kHnsw;
  EXPECT_EQ(refused(request), "kind: expected one that this pool has (exact), got hnsw");
}

TEST_F(QueryServerTest, UnderCosineAZeroVectorIsRefused) {
  for (std::size_t row = 0; row < corpus.ids.size(); ++row) {
    (void)index_tools::normalise_rows(std::span(corpus.vectors).subspan(row * 8, 8), 8);
  }
  QueryServerOptions options;
  options.metric = "cosine";
  const auto server = serve(corpus.split(1).front(), options);
  RawClient client(server->endpoint());
  client.send(header(1), query(5, 8, -0.0F));
  EXPECT_EQ(client.receive_error().text,
            "query 0 is zero and has no direction: expected a vector that is not (metric cosine)");
}

TEST_F(QueryServerTest, AKindThatTheSnapshotLacksEndsTheStartWithTheRemedy) {
  QueryServerOptions options;
  options.kind = index_tools::IndexKind::kHnsw;
  EXPECT_EQ(rookery::testing::error_text([&] { (void)serve(shard, options); }),
            "shard 0: expected an index kind that is there (exact), got hnsw; add it with: rookery "
            "index add SNAPSHOT --index hnsw");
  const auto empty = std::make_shared<const testing::MemoryShard>(
      0, 0, std::vector<std::int64_t>{1}, std::vector<float>{});
  EXPECT_EQ(
      rookery::testing::error_text([&] { (void)serve(empty); }),
      "shard 0: expected vectors or a bm25 file to search, got neither; rebuild the snapshot");
}

TEST_F(QueryServerTest, RequestsWithDifferentFiltersWaitTogetherButAreSearchedApart) {
  const auto gated = std::make_shared<GatedShard>(shard);
  const auto server = serve(gated);
  RawClient client(server->endpoint());
  client.send(header(1), query());
  ASSERT_TRUE(rookery::testing::eventually([&] { return gated->held(); }));
  const std::vector<float> vector(8, 0.5F);
  const auto best = corpus.oracle(vector, 3, Metric::kInnerProduct);
  const auto without = [&](std::size_t denied) {
    RetrievalRequest request;
    request.queries = vector;
    request.k = 2;
    request.filter.deny_ids = {best[denied].id};
    return wire::encode_query(request, 8);
  };
  for (std::uint64_t id = 2; id <= 5; ++id) client.send(header(id), without(id % 2));
  const std::vector<std::int64_t> ids = {best[1].id, -1};
  RetrievalRequest look_up;
  look_up.ids = ids;
  client.send(header(6), wire::encode_query(look_up, 8));
  ASSERT_TRUE(rookery::testing::eventually([&] { return server->load().queue == 5; }));
  gated->open();
  (void)client.receive();
  // Each scan's answers go out when it is done, and the look-up does not wait for any.
  const RawMessage looked_up = client.receive();
  ASSERT_EQ(looked_up.header.request.low, 6U);
  for (const std::uint64_t id : {2U, 4U, 3U, 5U}) {
    const RawMessage reply = client.receive();
    ASSERT_EQ(reply.header.request.low, id);
    const auto answer =
        wire::decode_answer(retriever_pool::detail::bytes_of(reply.body), 1, 2, {true, false, 8});
    EXPECT_EQ(testing::hits_of(answer.rows.front()),
              (std::vector<Hit>{best[id % 2 == 0 ? 1 : 0], best[2]}));
  }
  wire::AnswerShape shape{true, false, 8};
  shape.look_up = true;
  const auto found =
      wire::decode_answer(retriever_pool::detail::bytes_of(looked_up.body), 2, 1, shape);
  EXPECT_EQ(found.rows[0].front().text, testing::text_of(best[1].id));
  EXPECT_TRUE(found.rows[1].empty());
  // After the first scan one for each filter, and none for the look-up's passages.
  expect_metric("rookery_pool_batch_queries_count{kind=\"exact\",shard=\"0\"} 3");
  expect_metric("rookery_pool_batch_queries_count{kind=\"look_up\",shard=\"0\"} 1");
}

TEST_F(QueryServerTest, LivesThroughGarbageAndAnswersIt) {
  const auto server = serve(shard);
  auto client = std::make_unique<RawClient>(server->endpoint());
  std::mt19937_64 random(5);
  const std::string good_header =
      wire::encode_header(header(1), retriever_pool::detail::bytes_of(query()));
  const auto noise = [&](std::size_t bytes) {
    std::string text(bytes, '\0');
    for (char& c : text) c = static_cast<char>(random());
    return text;
  };
  std::vector<std::vector<std::string>> messages = {{""},
                                                    {"", ""},
                                                    {noise(128)},
                                                    {noise(128), noise(40)},
                                                    {good_header},
                                                    {good_header, noise(40)},
                                                    {good_header, query(), "third"},
                                                    {good_header, ""},
                                                    std::vector<std::string>(50, "x")};
  for (int i = 0; i < 500; ++i) {
    std::string damaged = good_header;
    damaged[random() % damaged.size()] = static_cast<char>(random());
    messages.push_back({damaged.substr(0, 1 + random() % damaged.size()), query()});
  }
  for (std::size_t i = 0; i < messages.size(); ++i) {
    // One peer with so much garbage would be ignored for a while.
    if (i % PeerQuarantine::kOffencesMax == 0) {
      client = std::make_unique<RawClient>(server->endpoint());
    }
    client->send(messages[i]);
    const RawMessage reply = client->receive();
    if (reply.header.type == wire::Type::kAnswer) continue;  // the damage hit no byte
    const auto error = wire::decode_error(retriever_pool::detail::bytes_of(reply.body));
    EXPECT_TRUE(error.code == ErrorCode::kMalformed || error.code == ErrorCode::kBadVersion);
  }
  client->send(header(2), query());
  EXPECT_EQ(client->receive().header.type, wire::Type::kAnswer);
}

TEST_F(QueryServerTest, LivesThroughBytesThatAreNoZeroMq) {
  const auto server = serve(shard);
  zmq::context_t context;
  zmq::socket_t stream(context, zmq::socket_type::stream);
  stream.set(zmq::sockopt::linger, 0);
  stream.connect(server->endpoint());
  zmq::message_t id;
  ASSERT_TRUE(stream.recv(id));
  const std::string http = "GET / HTTP/1.1\r\nHost: x\r\n\r\n" + std::string(4096, '\xff');
  stream.send(zmq::buffer(id.to_string()), zmq::send_flags::sndmore);
  stream.send(zmq::buffer(http), zmq::send_flags::none);
  RawClient client(server->endpoint());
  client.send(header(2), query());
  EXPECT_EQ(client.receive().header.type, wire::Type::kAnswer);
}

TEST_F(QueryServerTest, RefusesAtOnceWhenTheQueueIsFull) {
  const auto gated = std::make_shared<GatedShard>(shard);
  QueryServerOptions options;
  options.queue_requests_max = 2;
  const auto server = serve(gated, options);
  RawClient client(server->endpoint());
  client.send(header(1), query());
  ASSERT_TRUE(rookery::testing::eventually([&] { return gated->held(); }));
  for (std::uint64_t id = 2; id <= 5; ++id) client.send(header(id), query());
  std::map<std::uint64_t, std::uint64_t> by_lot;
  for (std::uint64_t id = 2; id <= 5; ++id) by_lot[AdmissionQueue::lot(header(id).request)] = id;
  std::set<std::uint64_t> refused;
  for (int i = 0; i < 2; ++i) {  // while the gate is shut
    const RawMessage reply = client.receive();
    refused.insert(reply.header.request.low);
    const auto error = wire::decode_error(retriever_pool::detail::bytes_of(reply.body));
    EXPECT_EQ(error.code, ErrorCode::kOverloaded);
    EXPECT_GE(error.retry_after_ms, 1U);
  }
  const auto smallest = by_lot.begin();
  EXPECT_EQ(refused, (std::set{smallest->second, std::next(smallest)->second}));
  EXPECT_EQ(server->load().queue, 2);
  gated->open();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(client.receive().header.type, wire::Type::kAnswer);
}

TEST_F(QueryServerTest, MergesWhatWaitsAndCutsEachToItsOwnK) {
  const auto gated = std::make_shared<GatedShard>(shard);
  const auto server = serve(gated);
  RawClient client(server->endpoint());
  client.send(header(1), query());
  ASSERT_TRUE(rookery::testing::eventually([&] { return gated->held(); }));
  for (std::uint64_t id = 2; id <= 9; ++id) {
    client.send(header(id), query(static_cast<std::int32_t>(id), 8, static_cast<float>(id)));
  }
  ASSERT_TRUE(rookery::testing::eventually([&] { return server->load().queue == 8; }));
  gated->open();
  (void)client.receive();
  for (std::uint64_t id = 2; id <= 9; ++id) {
    const RawMessage reply = client.receive();
    ASSERT_EQ(reply.header.request.low, id);
    const auto answer = wire::decode_answer(retriever_pool::detail::bytes_of(reply.body), 1,
                                            static_cast<std::uint32_t>(id), {true, false, 8});
    const std::vector<float> vector(8, static_cast<float>(id));
    EXPECT_EQ(testing::hits_of(answer.rows.front()),
              corpus.oracle(vector, static_cast<std::int32_t>(id), Metric::kInnerProduct));
  }
  expect_metric("rookery_pool_batch_queries_bucket{kind=\"exact\",shard=\"0\",le=\"8\"} 2");
  expect_metric("rookery_pool_batch_queries_bucket{kind=\"exact\",shard=\"0\",le=\"4\"} 1");
}

TEST_F(QueryServerTest, EqualQueriesOfSeveralClientsAreSearchedOnce) {
  const auto gated = std::make_shared<GatedShard>(shard);
  const auto server = serve(gated);
  RawClient client(server->endpoint());
  client.send(header(1), query());
  ASSERT_TRUE(rookery::testing::eventually([&] { return gated->held(); }));
  // Six requests for two different queries, with k of their own; -0 is not 0.
  for (std::uint64_t id = 2; id <= 7; ++id) {
    client.send(header(id), query(static_cast<std::int32_t>(id), 8, id % 2 == 0 ? 0.0F : -0.0F));
  }
  ASSERT_TRUE(rookery::testing::eventually([&] { return server->load().queue == 6; }));
  gated->open();
  (void)client.receive();
  for (std::uint64_t id = 2; id <= 7; ++id) {
    const RawMessage reply = client.receive();
    ASSERT_EQ(reply.header.request.low, id);
    const auto answer = wire::decode_answer(retriever_pool::detail::bytes_of(reply.body), 1,
                                            static_cast<std::uint32_t>(id), {true, false, 8});
    const std::vector<float> vector(8, id % 2 == 0 ? 0.0F : -0.0F);
    EXPECT_EQ(testing::hits_of(answer.rows.front()),
              corpus.oracle(vector, static_cast<std::int32_t>(id), Metric::kInnerProduct));
  }
  expect_metric("rookery_pool_repeated_queries_total{shard=\"0\"} 4");
  expect_metric("rookery_pool_merged_requests_total{shard=\"0\"} 6");
}

TEST_F(QueryServerTest, VectorsAsFloat16AreTheStoredOnesRounded) {
  const auto server = serve(shard);
  RawClient client(server->endpoint());
  const std::vector<float> vector(8, 0.5F);
  RetrievalRequest request;
  request.queries = vector;
  request.k = 20;
  request.want_passages = false;
  request.want_vectors = request.float16_vectors = true;
  client.send(header(1), wire::encode_query(request, 8));
  const RawMessage reply = client.receive();
  ASSERT_EQ(reply.header.type, wire::Type::kAnswer);
  EXPECT_EQ(reply.header.dtype, wire::Dtype::kFloat16);
  EXPECT_EQ(reply.body.size(), 32U + 4 + 20 * (8 + 4 + 2 * 8));
  wire::AnswerShape shape{false, true, 8};
  shape.float16 = true;
  const auto answer =
      wire::decode_answer(retriever_pool::detail::bytes_of(reply.body), 1, 20, shape);
  ASSERT_EQ(answer.rows.front().size(), 20U);
  for (const Document& document : answer.rows.front()) {
    const auto row = static_cast<std::size_t>(*shard->row_of(document.id));
    for (std::size_t i = 0; i < 8; ++i) {
      EXPECT_EQ(document.vector[i],
                index_tools::from_half(index_tools::to_half(shard->vectors()[row * 8 + i])));
    }
  }
}

TEST_F(QueryServerTest, TellsWhatItWasAskedLately) {
  const auto server = serve(shard);
  RawClient client(server->endpoint());
  const auto sampled = [&](std::uint32_t count) {
    wire::Header ask = header(9);
    ask.type = wire::Type::kSampleRequest;
    client.send(ask, wire::encode_sample_request(count));
    return client.receive();
  };
  EXPECT_EQ(sampled(100).body, "");
  for (std::uint64_t id = 1; id <= 3; ++id) {
    client.send(header(id), query(5, 8, static_cast<float>(id)));
    (void)client.receive();
  }
  ASSERT_TRUE(
      rookery::testing::eventually([&] { return sampled(100).body.size() == 16 + 3 * 32; }));
  const RawMessage reply = sampled(2);
  EXPECT_EQ(reply.header.type, wire::Type::kSampleAnswer);
  const auto queries = wire::decode_query(retriever_pool::detail::bytes_of(reply.body));
  EXPECT_EQ(queries.batch, 2U);
  EXPECT_EQ(queries.queries.back(), 3.0F);
  EXPECT_EQ(sampled(0).header.type, wire::Type::kError);
  EXPECT_EQ(sampled(101).header.type, wire::Type::kError);
}

TEST_F(QueryServerTest, PingsWaitInTheSameQueue) {
  const auto gated = std::make_shared<GatedShard>(shard);
  const auto server = serve(gated);
  RawClient client(server->endpoint());
  client.send(header(1), query());
  ASSERT_TRUE(rookery::testing::eventually([&] { return gated->held(); }));
  wire::Header ping = header(2);
  ping.type = wire::Type::kPing;
  client.send(ping, "");
  ASSERT_TRUE(rookery::testing::eventually([&] { return server->load().queue == 1; }));
  gated->open();
  EXPECT_EQ(client.receive().header.type, wire::Type::kAnswer);
  EXPECT_EQ(client.receive().header.type, wire::Type::kPong);
}

TEST_F(QueryServerTest, DropsCancelledQueries) {
  const auto gated = std::make_shared<GatedShard>(shard);
  const auto server = serve(gated);
  RawClient client(server->endpoint());
  client.send(header(1), query());
  ASSERT_TRUE(rookery::testing::eventually([&] { return gated->held(); }));
  client.send(header(2), query());
  client.send(header(3), query());
  ASSERT_TRUE(rookery::testing::eventually([&] { return server->load().queue == 2; }));
  wire::Header cancel = header(2);
  cancel.type = wire::Type::kCancel;
  client.send(cancel, "");
  ASSERT_TRUE(rookery::testing::eventually([&] { return server->load().queue == 1; }));
  gated->open();
  EXPECT_EQ(client.receive().header.request.low, 1U);
  EXPECT_EQ(client.receive().header.request.low, 3U);
}

TEST_F(QueryServerTest, DrainingRefusesNewRequestsButAnswersQueuedOnes) {
  const auto gated = std::make_shared<GatedShard>(shard);
  const auto server = serve(gated);
  RawClient client(server->endpoint());
  client.send(header(1), query());
  ASSERT_TRUE(rookery::testing::eventually([&] { return gated->held(); }));
  client.send(header(2), query());
  ASSERT_TRUE(rookery::testing::eventually([&] { return server->load().queue == 1; }));
  server->drain();
  client.send(header(3), query());
  EXPECT_EQ(client.receive_error().code, ErrorCode::kDraining);
  gated->open();
  EXPECT_EQ(client.receive().header.type, wire::Type::kAnswer);
  EXPECT_EQ(client.receive().header.type, wire::Type::kAnswer);
}

TEST_F(QueryServerTest, StoppingAnswersWhatIsQueuedWithUnavailable) {
  const auto gated = std::make_shared<GatedShard>(shard);
  auto server = serve(gated);
  RawClient client(server->endpoint());
  client.send(header(1), query());
  ASSERT_TRUE(rookery::testing::eventually([&] { return gated->held(); }));
  client.send(header(2), query());
  ASSERT_TRUE(rookery::testing::eventually([&] { return server->load().queue == 1; }));
  // The server stops once its search is done; the gate opens only when it already refuses, so that
  // request 2 is still in the queue then.
  std::thread stopper([&] { server.reset(); });
  std::uint64_t id = 3;
  bool refusing = false;
  while (!refusing) {
    client.send(header(id, 0), query());  // refused for its deadline while it still serves
    const RawMessage reply = client.receive();
    ASSERT_EQ(reply.header.request.low, id++);
    const auto error = wire::decode_error(retriever_pool::detail::bytes_of(reply.body));
    refusing = error.code == ErrorCode::kUnavailable;
  }
  gated->open();
  EXPECT_EQ(client.receive().header.type, wire::Type::kAnswer);
  EXPECT_EQ(client.receive_error().code, ErrorCode::kUnavailable);
  stopper.join();
}

TEST_F(QueryServerTest, APortInUseIsNamed) {
  const auto server = serve(shard);
  QueryServerOptions options;
  options.bind = server->endpoint();
  EXPECT_EQ(rookery::testing::error_text([&] { (void)serve(shard, options); }),
            server->endpoint() +
                ": expected an endpoint that can be bound, such as tcp://127.0.0.1:*, got: Address "
                "already in use");
}

TEST_F(QueryServerTest, AViewServersGarbageIsAnsweredToo) {
  const ViewServer views("tcp://127.0.0.1:*");
  RawClient client(views.endpoint());
  client.send(std::vector<std::string>{"nonsense"});
  EXPECT_EQ(client.receive_error().code, ErrorCode::kMalformed);
  client.send(header(1), query());
  EXPECT_EQ(client.receive_error().code, ErrorCode::kMalformed);
}

TEST_F(QueryServerTest, AnUnreachableHeadIsNamed) {
  EXPECT_EQ(rookery::testing::error_text(
                [] { (void)fetch_view("tcp://127.0.0.1:1", std::chrono::milliseconds(50)); }),
            "tcp://127.0.0.1:1: expected a head that answers within 50 ms, got no routing view; is "
            "the colony up? see rookery status");
  EXPECT_EQ(rookery::testing::error_text([] {
              PoolClientOptions options;
              options.head = "tcp://127.0.0.1:1";
              options.connect_timeout = std::chrono::milliseconds(50);
              (void)open_pool_client(options);
            }),
            "tcp://127.0.0.1:1: expected a head that answers within 50 ms, got no routing view; is "
            "the colony up? see rookery status");
  EXPECT_EQ(rookery::testing::error_text([] {
              PoolClientOptions options;
              options.head = "nonsense";
              (void)open_pool_client(options);
            }),
            "nonsense: expected a head's endpoint such as tcp://127.0.0.1:7071, got: Invalid "
            "argument");
}

}  // namespace
}  // namespace rookery::retriever_pool
