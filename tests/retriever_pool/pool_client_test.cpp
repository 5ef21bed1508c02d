#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "raw_peer.hpp"
#include "test_colony.hpp"
#include "tests/support/eventually.hpp"

namespace rookery::retriever_pool {
namespace {

using namespace std::chrono_literals;
using rookery::testing::eventually;
using testing::Corpus;
using testing::RawMessage;
using testing::ScriptedReplica;
using testing::TestColony;

class PoolClientTest : public ::testing::Test {
 protected:
  [[nodiscard]] RetrievalAnswer ask(Retriever& pool,
                                    std::chrono::milliseconds deadline = 20s) const {
    RetrievalRequest request;
    request.queries = query;
    request.deadline = deadline;
    return pool.retrieve(request);
  }
  void expect_right(const RetrievalAnswer& answer) const {
    EXPECT_EQ(testing::hits_of(answer.rows.front()),
              corpus.oracle(query, 5, Metric::kInnerProduct));
  }
  RetrievalFault fault(Retriever& pool, std::chrono::milliseconds deadline) const {
    try {
      (void)ask(pool, deadline);
    } catch (const RetrievalError& error) {
      last_text = error.what();
      return error.fault();
    }
    ADD_FAILURE() << "an answer came";
    return RetrievalFault::kInternal;
  }

  Corpus corpus{41, 600, 16};
  std::vector<float> query = std::vector<float>(16, 0.5F);
  mutable std::string last_text;
};

// Callers on several threads while replicas stop in mid-stream, leave the view and come back.
TEST_F(PoolClientTest, NothingIsLostOrWrongWhileReplicasStopAndReturn) {
  TestColony colony(corpus, 2, 2);
  const auto pool = colony.client();
  std::atomic<bool> done = false;
  std::atomic<int> wrong = 0, lost = 0, answered = 0;
  std::string fault_text;
  std::mutex mutex;
  std::vector<std::thread> callers;
  for (int t = 0; t < 3; ++t) {
    callers.emplace_back([&, t] {
      std::mt19937_64 random(static_cast<std::uint64_t>(t));
      while (!done) {
        const auto vector = testing::random_vectors(random, 1, 16);
        RetrievalRequest request;
        request.queries = vector;
        request.deadline = 20s;
        try {
          const auto answer = pool->retrieve(request);
          wrong += testing::hits_of(answer.rows.front()) !=
                   corpus.oracle(vector, 5, Metric::kInnerProduct);
          ++answered;
        } catch (const RetrievalError& error) {
          ++lost;
          const std::lock_guard lock(mutex);
          fault_text = error.what();
        }
      }
    });
  }
  for (int round = 0; round < 8; ++round) {
    const auto member = static_cast<std::size_t>(round % 4);
    const int before = answered;
    ASSERT_TRUE(eventually([&] { return answered > before + 20; }));
    colony.stop(member);  // without a word to the view: the connection breaks
    if (round % 2 == 0) {
      colony.set_state(member, ReplicaState::kGone);
      colony.publish();
    }
    const int after = answered;
    ASSERT_TRUE(eventually([&] { return answered > after + 20; }));
    colony.start(member);
    colony.publish();
  }
  done = true;
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(lost, 0) << fault_text;
}

TEST_F(PoolClientTest, WaitsForAReplicaToComeBackWhenAllOfAShardAreGone) {
  TestColony colony(corpus, 2, 1);
  const auto pool = colony.client();
  expect_right(ask(*pool));
  colony.stop(1);
  std::atomic<bool> answered = false;
  std::thread caller([&] {
    expect_right(ask(*pool));
    answered = true;
  });
  EXPECT_FALSE(answered);
  colony.start(1);
  colony.publish();
  caller.join();
  EXPECT_TRUE(answered);
}

TEST_F(PoolClientTest, SaysWhichShardIsMissingAtTheDeadline) {
  TestColony colony(corpus, 2, 1);
  const auto pool = colony.client();
  expect_right(ask(*pool));
  colony.stop(1);
  // Again, because a call may end before the client has seen that the connection is gone.
  EXPECT_TRUE(eventually([&] {
    const auto begin = std::chrono::steady_clock::now();
    const bool unavailable = fault(*pool, 100ms) == RetrievalFault::kUnavailable;
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s);  // met only by a hang
    return unavailable &&
           last_text.find("shard 1 had no replica that could be asked before the deadline") == 0;
  })) << last_text;
}

TEST_F(PoolClientTest, ASilentReplicaIsReplacedAfterItsAttempt) {
  TestColony colony(corpus, 1, 2);
  const ScriptedReplica silent(
      [](const auto&, const auto&) { return std::vector<ScriptedReplica::Frames>{}; });
  colony.set_endpoint(0, silent.endpoint());
  colony.publish();
  PoolClientOptions options;
  options.attempt_timeout = 1s;   // the other one must never be late, not even under a sanitizer
  options.hedge.enabled = false;  // a slow answer of the other one would have it asked again
  const auto pool = colony.client(options);
  // Until it was chosen once; from then on it is a suspect and asked last.
  ASSERT_TRUE(eventually([&] {
    expect_right(ask(*pool));
    return silent.queries() > 0;
  }));
  const int before = silent.queries();
  for (int i = 0; i < 20; ++i) expect_right(ask(*pool));
  EXPECT_EQ(silent.queries(), before);
}

TEST_F(PoolClientTest, ABrokenConnectionMovesWhatWasInFlight) {
  TestColony colony(corpus, 1, 2);
  auto silent = std::make_unique<ScriptedReplica>(
      [](const auto&, const auto&) { return std::vector<ScriptedReplica::Frames>{}; });
  colony.set_endpoint(0, silent->endpoint());
  colony.set_state(1, ReplicaState::kDraining);  // only the silent one can be asked
  colony.publish();
  PoolClientOptions options;
  options.attempt_timeout = 60s;  // so that only the broken connection can help
  options.hedge.enabled = false;
  const auto pool = colony.client(options);
  std::atomic<bool> answered = false;
  std::thread caller([&] {
    expect_right(ask(*pool));
    answered = true;
  });
  ASSERT_TRUE(eventually([&] { return silent->queries() == 1; }));
  colony.set_state(1, ReplicaState::kReady);
  colony.publish();
  EXPECT_FALSE(answered);
  silent.reset();
  caller.join();
}

TEST_F(PoolClientTest, AReplicaThatLeavesTheViewIsNotWaitedFor) {
  TestColony colony(corpus, 1, 2);
  const ScriptedReplica silent(
      [](const auto&, const auto&) { return std::vector<ScriptedReplica::Frames>{}; });
  colony.set_endpoint(0, silent.endpoint());
  colony.set_state(1, ReplicaState::kLoading);
  colony.publish();
  PoolClientOptions options;
  options.attempt_timeout = 60s;  // so that only the view can help
  options.hedge.enabled = false;
  const auto pool = colony.client(options);
  std::thread caller([&] { expect_right(ask(*pool)); });
  ASSERT_TRUE(eventually([&] { return silent.queries() == 1; }));
  colony.set_state(0, ReplicaState::kGone);
  colony.set_state(1, ReplicaState::kReady);
  colony.publish();
  caller.join();
}

// What a faulty or hostile replica may send; the other one has the right answer.
class BadReplicaTest : public PoolClientTest, public ::testing::WithParamInterface<int> {};

TEST_P(BadReplicaTest, ItsMessagesAreRefusedAndAnotherIsAsked) {
  using Frames = ScriptedReplica::Frames;
  const auto reply = [](const wire::Header& request, wire::Type type, const std::string& body) {
    wire::Header header;
    header.type = type;
    header.request = request.request;
    header.attempt = request.attempt;
    header.generation = request.generation;
    header.coverage = wire::Coverage::kComplete;
    return ScriptedReplica::message(header, body);
  };
  const auto lie = [](std::vector<std::vector<Document>> rows) {
    wire::AnswerBody answer;
    answer.rows = std::move(rows);
    return wire::encode_answer(answer, {true, false, 16});
  };
  const Document one{1, 1e9F, "s", "t", "x", {}}, two{2, 2e9F, "s", "t", "x", {}};
  const int kind = GetParam();
  const ScriptedReplica bad([&](const wire::Header& request, const std::string&) {
    if (request.type == wire::Type::kPing) {
      return std::vector<Frames>{reply(request, wire::Type::kPong, wire::encode_pong({}))};
    }
    if (request.type != wire::Type::kQuery) return std::vector<Frames>{};
    switch (kind) {
      case 0:
        return std::vector<Frames>{reply(request, wire::Type::kAnswer, "short")};
      case 1:  // hits out of order
        return std::vector<Frames>{reply(request, wire::Type::kAnswer, lie({{one, two}}))};
      case 2:  // rows of another batch
        return std::vector<Frames>{reply(request, wire::Type::kAnswer, lie({{two}, {one}}))};
      case 3: {  // another generation
        wire::Header other = request;
        other.generation = "old";
        return std::vector<Frames>{reply(other, wire::Type::kAnswer, lie({{two, one}}))};
      }
      case 4: {  // damaged on its way
        Frames frames = reply(request, wire::Type::kAnswer, lie({{two, one}}));
        frames[1].back() = static_cast<char>(frames[1].back() ^ 1);
        return std::vector<Frames>{frames};
      }
      case 5:  // no answer to a query
        return std::vector<Frames>{reply(request, wire::Type::kViewAnswer, "{}")};
      case 6: {  // a part of the shard
        Frames frames = reply(request, wire::Type::kAnswer, lie({{two, one}}));
        wire::Header header = wire::decode_header(detail::bytes_of(frames[0]));
        header.coverage = wire::Coverage::kNone;
        return std::vector<Frames>{ScriptedReplica::message(header, frames[1])};
      }
      case 7:
        return std::vector<Frames>{
            reply(request, wire::Type::kError,
                  wire::encode_error({wire::ErrorCode::kOverloaded, 1, "full"}))};
      default: {  // answers to questions that nobody asked, then garbage
        wire::Header stranger = request;
        stranger.request.low += 1000;
        return std::vector<Frames>{
            reply(stranger, wire::Type::kAnswer, lie({{two, one}})),
            {"x", "y"},
            {"z"},
            reply(request, wire::Type::kError,
                  wire::encode_error({wire::ErrorCode::kDraining, 0, "bye"}))};
      }
    }
  });
  TestColony colony(corpus, 1, 2);
  colony.set_endpoint(0, bad.endpoint());
  colony.publish();
  const auto pool = colony.client();
  ASSERT_TRUE(eventually([&] {
    for (int i = 0; i < 5; ++i) expect_right(ask(*pool));
    return bad.queries() > 0 || HasFailure();
  }));
}

INSTANTIATE_TEST_SUITE_P(Kinds, BadReplicaTest, ::testing::Range(0, 9));

TEST_F(PoolClientTest, DoubleAndLateAnswersAreDropped) {
  // Every answer comes twice, and before it the answers to all earlier questions once more.
  std::vector<ScriptedReplica::Frames> earlier;
  const Corpus& all = corpus;
  const ScriptedReplica parrot([&](const wire::Header& request, const std::string& body) {
    std::vector<ScriptedReplica::Frames> replies;
    if (request.type != wire::Type::kQuery) return replies;
    const auto asked = wire::decode_query(detail::bytes_of(body));
    wire::AnswerBody answer;
    answer.rows.emplace_back();
    for (const Hit& hit : all.oracle(asked.queries, 5, Metric::kInnerProduct)) {
      answer.rows.front().push_back({hit.id, hit.score, "", "", "", {}});
    }
    wire::Header header = request;
    header.type = wire::Type::kAnswer;
    header.coverage = wire::Coverage::kComplete;
    const auto message =
        ScriptedReplica::message(header, wire::encode_answer(answer, {true, false, 16}));
    replies = earlier;
    replies.push_back(message);
    replies.push_back(message);
    earlier.push_back(message);
    return replies;
  });
  TestColony colony(corpus, 1, 1);
  colony.set_endpoint(0, parrot.endpoint());
  colony.publish();
  const auto pool = colony.client();
  std::mt19937_64 random(1);
  for (int i = 0; i < 30; ++i) {
    query = testing::random_vectors(random, 1, 16);
    expect_right(ask(*pool));
  }
}

TEST_F(PoolClientTest, OverloadEverywhereIsToldAsOverload) {
  const ScriptedReplica full([](const wire::Header& request, const std::string&) {
    wire::Header header = request;
    header.type = wire::Type::kError;
    return std::vector<ScriptedReplica::Frames>{ScriptedReplica::message(
        header, wire::encode_error({wire::ErrorCode::kOverloaded, 1, "the queue is full"}))};
  });
  TestColony colony(corpus, 1, 1);
  colony.set_endpoint(0, full.endpoint());
  colony.publish();
  const auto pool = colony.client();
  EXPECT_EQ(fault(*pool, 20s), RetrievalFault::kOverloaded);
  EXPECT_EQ(last_text, "shard 0 gave no answer after 4 attempts: overloaded: the queue is full");
}

TEST_F(PoolClientTest, GenerationsAreNeverMixed) {
  // The view moves to a new generation while shard 1 is not there yet: the call that already has
  // shard 0 of the old one begins anew.
  TestColony colony(corpus, 2, 1);
  const auto pool = colony.client();
  expect_right(ask(*pool));
  colony.stop(1);
  colony.set_state(1, ReplicaState::kGone);
  colony.publish();
  const std::int64_t before = colony.server(0).load().served;
  RetrievalAnswer answer;
  std::thread caller([&] { answer = ask(*pool); });
  // Shard 0 of the old generation has answered, shard 1 is waited for.
  EXPECT_TRUE(eventually([&] { return colony.server(0).load().served > before; }));
  colony.set_generation("91bc");
  colony.stop(0);
  colony.start(0);
  colony.start(1);
  colony.publish();
  caller.join();
  expect_right(answer);
  EXPECT_EQ(answer.generation, "91bc");
}

TEST_F(PoolClientTest, GoesOnWithItsViewWhenTheHeadIsGoneAndFollowsTheNextOne) {
  auto colony = std::make_unique<TestColony>(corpus, 2, 1);
  auto views = std::make_unique<ViewServer>("tcp://127.0.0.1:*");
  const std::string head = views->endpoint();
  RoutingView view = colony->view();
  views->publish(view);
  PoolClientOptions options;
  options.head = head;
  const auto pool = open_pool_client(options);
  expect_right(ask(*pool));
  views.reset();
  for (int i = 0; i < 10; ++i) expect_right(ask(*pool));
  // A new head on the same port that knows no node yet must not stop the queries.
  views = std::make_unique<ViewServer>(head);
  RoutingView empty = view;
  empty.term = 2;
  empty.epoch = 1;
  empty.members.clear();
  views->publish(empty);
  for (int i = 0; i < 200; ++i) expect_right(ask(*pool));
  view.term = 2;
  view.epoch = 2;
  view.generations.front().index.encoder_name = "told by the new head";
  views->publish(view);
  EXPECT_TRUE(
      eventually([&] { return pool->description().encoder_name == "told by the new head"; }));
  expect_right(ask(*pool));
}

TEST(RoutingViewTest, ComesBackFromJson) {
  const Corpus corpus(1, 10, 4);
  const TestColony colony(corpus, 2, 2);
  RoutingView view = const_cast<TestColony&>(colony).view();
  view.term = 0xFFFFFFFFFFFFFFFFULL;
  view.members[0].pid = 12345678901LL;
  const RoutingView copy = RoutingView::from_json(view.to_json());
  EXPECT_EQ(copy.to_json(), view.to_json());
  EXPECT_EQ(copy.term, view.term);
  EXPECT_TRUE(copy.serves_all_shards());
  EXPECT_TRUE(copy.complete());
  view.members[1].state = ReplicaState::kDraining;
  EXPECT_TRUE(view.serves_all_shards());
  EXPECT_FALSE(view.complete());
  view.members[0].generation = "other";
  EXPECT_FALSE(view.serves_all_shards());
}

TEST(RoutingViewTest, TellsTheKindsAndTakesViewsThatTellNone) {
  using index_tools::IndexKind;
  RoutingView view;
  view.generations.emplace_back();
  view.generations.front().index.kinds = {IndexKind::kHnsw, IndexKind::kBm25};
  view.generations.front().index.default_kind = IndexKind::kBm25;
  const std::string json = view.to_json();
  const auto read = [](const std::string& text) {
    return RoutingView::from_json(text).generations.front().index;
  };
  EXPECT_EQ(read(json).kinds, view.generations.front().index.kinds);
  EXPECT_EQ(read(json).default_kind, IndexKind::kBm25);
  const auto replaced = [&](const std::string& from, const std::string& to) {
    std::string text = json;
    text.replace(text.find(from), from.size(), to);
    return text;
  };
  const std::string kinds = "\"kinds\":[\"hnsw\",\"bm25\"]";
  const IndexDescription older = read(replaced(kinds, "\"other\":[]"));
  EXPECT_TRUE(older.kinds.empty());
  EXPECT_EQ(older.default_kind, IndexKind::kExact);
  const IndexDescription newer = read(replaced(kinds, "\"kinds\":[\"annoy\",\"hnsw\"]"));
  EXPECT_EQ(newer.kinds, (std::vector<IndexKind>{IndexKind::kHnsw}));
  EXPECT_THROW((void)RoutingView::from_json(replaced(kinds, "\"kinds\":[3]")),
               std::invalid_argument);
  EXPECT_THROW((void)RoutingView::from_json(replaced(kinds, "\"kinds\":7")), std::invalid_argument);
}

TEST(RoutingViewTest, RefusesTextThatIsNoView) {
  const Corpus corpus(1, 10, 4);
  TestColony colony(corpus, 1, 1);
  const std::string good = colony.view().to_json();
  const auto refused = [](const std::string& text) -> std::string {
    try {
      (void)RoutingView::from_json(text);
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
    return "(taken)";
  };
  EXPECT_EQ(refused("{"), "routing view: expected JSON");
  EXPECT_EQ(refused("[]"), "routing view: no colony");
  std::string text = good;
  text.replace(text.find("\"shards\":1,\"snapshot"), 10, "\"shards\":-1");
  EXPECT_EQ(refused(text), "routing view: shards: expected an integer in [0, 65536], got -1");
  text = good;
  text.replace(text.find("\"ready\""), 7, "\"tired\"");
  EXPECT_EQ(refused(text),
            "routing view: state: expected joining, loading, ready, draining or gone, got 'tired'");
  std::mt19937_64 random(3);
  for (int i = 0; i < 5000; ++i) {
    std::string damaged = good;
    for (int n = 0; n < 3; ++n) damaged[random() % damaged.size()] = static_cast<char>(random());
    (void)refused(damaged);  // never anything but invalid_argument
  }
}

}  // namespace
}  // namespace rookery::retriever_pool
