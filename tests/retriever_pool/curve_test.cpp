// CURVE, the allow-list and the quarantine over real sockets.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "base/atomic_file.hpp"
#include "base/error.hpp"
#include "base/metrics.hpp"
#include "memory_shard.hpp"
#include "raw_peer.hpp"
#include "retriever_pool/key_folder.hpp"
#include "retriever_pool/peer_quarantine.hpp"
#include "retriever_pool/view_server.hpp"
#include "test_colony.hpp"
#include "tests/support/error_text.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/silent_clients.hpp"
#include "tests/support/temp_folder.hpp"

namespace rookery::retriever_pool {
namespace {

using namespace std::chrono_literals;
using rookery::testing::error_text;
using rookery::testing::eventually;
using rookery::testing::SilentClients;
using testing::Corpus;
using testing::RawClient;
using testing::TestColony;

class CurveTest : public ::testing::Test {
 protected:
  rookery::testing::TempFolder folder;
  KeyFolder keys = KeyFolder::create(folder / "keys", {});
  base::Metrics metrics;

  [[nodiscard]] std::unique_ptr<ViewServer> head(const CurveServerKeys& server) {
    auto views = std::make_unique<ViewServer>("tcp://127.0.0.1:*", server, LeaseLimits{}, &metrics);
    RoutingView view;
    view.colony = "test";
    view.term = 1;
    view.epoch = 1;
    views->publish(view);
    return views;
  }
  [[nodiscard]] CurveClientKeys client(const std::string& name) const {
    return read_client_keys(keys.add_client(name));
  }
  [[nodiscard]] static std::string why_not(const ViewServer& views, const CurveClientKeys& own) {
    const auto begin = std::chrono::steady_clock::now();
    const std::string text = error_text([&] { (void)fetch_view(views.endpoint(), 1s, own); });
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s);  // bounded; met only by a hang
    return text;
  }
  [[nodiscard]] double refused(const std::string& reason) const {
    const std::string text = metrics.text();
    const auto at = text.find("rookery_peers_refused_total{reason=\"" + reason + "\"}");
    return at == std::string::npos ? 0 : std::stod(text.substr(text.find('}', at) + 1));
  }
};

TEST_F(CurveTest, AClientOnTheListAndTheColonyItselfGetTheView) {
  const auto views = head(keys.server_keys());

  EXPECT_EQ(fetch_view(views->endpoint(), 20s, client("trainer")).colony, "test");
  EXPECT_EQ(fetch_view(views->endpoint(), 20s, keys.own_client_keys()).colony, "test");
}

TEST_F(CurveTest, AKeyThatIsNotOnTheListIsRefusedCountedAndTold) {
  const auto views = head(keys.server_keys());
  const CurvePair stranger = make_curve_pair();

  // On a busy machine an attempt may end before the handshake was refused; so below.
  std::string text;
  EXPECT_TRUE(eventually([&] {
    text =
        why_not(*views, {keys.server_keys().public_key, stranger.public_key, stranger.secret_key});
    return text == views->endpoint() +
                       ": expected a head that answers within 1000 ms, got no connection: it "
                       "refused our key; have it added with: rookery keys client DIR NAME";
  })) << text;
  EXPECT_GE(refused("unknown_key"), 1);
}

TEST_F(CurveTest, KeysOnOneSideOnlyAreToldOnTheOther) {
  const auto closed = head(keys.server_keys());
  const auto open = head({});

  std::string told;
  EXPECT_TRUE(eventually([&] {
    told = why_not(*closed, {});
    return told.find("it wants keys and we have none; give --keys FILE") != std::string::npos;
  })) << told;
  const CurveClientKeys own = client("trainer");
  EXPECT_TRUE(eventually([&] {
    told = why_not(*open, own);
    return told.find("we use keys and it does not") != std::string::npos;
  })) << told;
}

TEST_F(CurveTest, AnotherColonysServerKeyEndsInAClearErrorToo) {
  const auto views = head(keys.server_keys());
  CurveClientKeys own = client("trainer");
  own.server_public = make_curve_pair().public_key;

  std::string text;
  EXPECT_TRUE(eventually([&] {
    text = why_not(*views, own);
    return text.find("no connection: ") != std::string::npos;
  })) << text;
}

TEST_F(CurveTest, AClientThatIsAddedLaterComesInWithoutARestart) {
  const auto views = head(keys.server_keys());
  const CurvePair pair = make_curve_pair();
  const CurveClientKeys own = {keys.server_keys().public_key, pair.public_key, pair.secret_key};
  EXPECT_NE(why_not(*views, own), "(no error)");

  base::write_file_atomically(keys.path() / "allowed/late.pub", pair.public_key + "\n");

  EXPECT_EQ(fetch_view(views->endpoint(), 20s, own).colony, "test");
}

TEST_F(CurveTest, AWholePoolWorksUnderKeysAndARevokedClientIsCutOff) {
  const Corpus corpus(1, 64, 8);
  QueryServerOptions options;
  options.keys = keys.server_keys();
  auto server = std::make_unique<QueryServer>(options, corpus.split(1)[0], "7f3a", metrics);
  const auto views = head(keys.server_keys());
  RoutingView view;
  view.colony = "test";
  view.term = 1;
  view.epoch = 2;
  view.generations = {{"main", GenerationRole::kLive, 1, 1,
                       testing::describe(corpus, 1, "7f3a", "inner_product"), ""}};
  ReplicaView member;
  member.index = "main";
  member.node = "node-1";
  member.endpoint = server->endpoint();
  member.state = ReplicaState::kReady;
  member.generation = "7f3a";
  view.members = {member};
  views->publish(view);
  PoolClientOptions pool;
  pool.head = views->endpoint();
  pool.keys = client("trainer");
  pool.connect_timeout = 20s;
  const auto retriever = open_pool_client(pool);
  const std::vector<float> query(8, 0.5F);
  RetrievalRequest request;
  request.queries = query;
  request.deadline = 20s;
  EXPECT_EQ(retriever->retrieve(request).rows.at(0).size(), 5U);

  keys.revoke("trainer");

  request.deadline = 300ms;  // missed by chance on a busy machine, so that alone tells nothing
  EXPECT_TRUE(eventually([&] {
    try {
      (void)retriever->retrieve(request);
      return false;
    } catch (const RetrievalError&) {
      return refused("withdrawn_key") >= 1;
    }
  }));
  EXPECT_THROW((void)retriever->retrieve(request), RetrievalError);
}

TEST_F(CurveTest, NoFrameOfAPeerWithoutKeysIsProcessed) {
  const Corpus corpus(1, 8, 8);
  QueryServerOptions options;
  options.keys = keys.server_keys();
  const QueryServer server(options, corpus.split(1)[0], "7f3a", metrics);
  RawClient plain(server.endpoint());
  for (int i = 0; i < 50; ++i) plain.send({"noise", "noise"});

  EXPECT_TRUE(eventually([&] { return refused("bad_handshake") + refused("no_handshake") >= 1; }));
  EXPECT_EQ(server.load().served + server.load().refused, 0);
}

std::uint16_t port_of(const std::string& endpoint) {
  return static_cast<std::uint16_t>(std::stoi(endpoint.substr(endpoint.rfind(':') + 1)));
}

TEST_F(CurveTest, SilentConnectionsAreClosedOnEveryPortAndKeepNobodyOut) {
  const Corpus corpus(1, 8, 8);
  QueryServerOptions secure;
  secure.keys = keys.server_keys();
  const QueryServer plain_node({}, corpus.split(1)[0], "7f3a", metrics);
  const QueryServer secure_node(secure, corpus.split(1)[0], "7f3a", metrics);
  const auto plain_head = head({}), secure_head = head(keys.server_keys());
  std::vector<std::unique_ptr<SilentClients>> silent;
  for (const auto& endpoint : {plain_node.endpoint(), secure_node.endpoint(),
                               plain_head->endpoint(), secure_head->endpoint()}) {
    silent.push_back(std::make_unique<SilentClients>(port_of(endpoint), 60));
    ASSERT_EQ(silent.back()->open(), 60U);
  }

  EXPECT_EQ(fetch_view(plain_head->endpoint(), 20s, {}).colony, "test");
  EXPECT_EQ(fetch_view(secure_head->endpoint(), 20s, client("trainer")).colony, "test");

  for (std::size_t i = 0; i < silent.size(); ++i) {
    EXPECT_TRUE(eventually([&] { return silent[i]->open() == 0; })) << i;
  }
}

TEST_F(CurveTest, APeerThatKeepsSendingNoiseIsIgnoredAndOthersAreNot) {
  const Corpus corpus(1, 8, 8);
  const QueryServer server({}, corpus.split(1)[0], "7f3a", metrics);
  RawClient noisy(server.endpoint()), calm(server.endpoint());
  constexpr int kSent = PeerQuarantine::kOffencesMax + 40;
  for (int i = 0; i < kSent; ++i) noisy.send({"noise", "noise"});
  for (int i = 0; i <= PeerQuarantine::kOffencesMax; ++i) {
    EXPECT_EQ(noisy.receive_error().code, wire::ErrorCode::kMalformed);
  }

  calm.send({"noise", "noise"});

  EXPECT_EQ(calm.receive_error().code, wire::ErrorCode::kMalformed);
  EXPECT_TRUE(eventually([&] { return refused("quarantined") == 39; })) << refused("quarantined");
}

TEST(PeerQuarantine, BeginsAfterTooManyInAWindowAndEndsByItself) {
  PeerQuarantine quarantine;
  const PeerQuarantine::Time start{};
  for (int i = 0; i < PeerQuarantine::kOffencesMax; ++i) {
    EXPECT_FALSE(quarantine.offence("a", start + std::chrono::milliseconds(i)));
  }
  EXPECT_FALSE(quarantine.holds("a", start + 1s));

  EXPECT_TRUE(quarantine.offence("a", start + 9s));

  EXPECT_TRUE(quarantine.holds("a", start + 18s));
  EXPECT_FALSE(quarantine.holds("a", start + 19s));
  EXPECT_FALSE(quarantine.holds("b", start + 18s));
}

TEST(PeerQuarantine, ForgetsOffencesOfAnEarlierWindow) {
  PeerQuarantine quarantine;
  const PeerQuarantine::Time start{};
  for (int i = 0; i < 10 * PeerQuarantine::kOffencesMax; ++i) {
    EXPECT_FALSE(quarantine.offence("a", start + i * 1s)) << i;
  }
}

TEST(PeerQuarantine, RemembersBoundedlyManyPeersAndKeepsThoseItHolds) {
  PeerQuarantine quarantine;
  const PeerQuarantine::Time start{};
  for (int i = 0; i <= PeerQuarantine::kOffencesMax; ++i) quarantine.offence("bad", start);
  for (std::size_t i = 0; i < 4 * PeerQuarantine::kPeersMax; ++i) {
    quarantine.offence(std::to_string(i), start + 1s);
  }

  EXPECT_TRUE(quarantine.holds("bad", start + 2s));
}

}  // namespace
}  // namespace rookery::retriever_pool
