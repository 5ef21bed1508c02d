// The control port over TLS: who gets in, and what the others are told.
#include "actors/detail/control_port.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <caf/io/basp/header.hpp>
#include <caf/io/basp/version.hpp>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>

#include "actors/colony_security.hpp"
#include "actors/detail/system.hpp"
#include "actors/head_connector.hpp"
#include "actors/registry.hpp"
#include "actors/supervisor.hpp"
#include "base/atomic_file.hpp"
#include "base/certificates.hpp"
#include "base/secret_file.hpp"
#include "retriever_pool/key_folder.hpp"
#include "tests/support/error_text.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/silent_clients.hpp"
#include "tests/support/temp_folder.hpp"

namespace rookery::actors {
namespace {

using retriever_pool::KeyFolder;
using testing::error_text;
using testing::eventually;
using ::testing::HasSubstr;

/// A head's control port in this process, without the rest of the head.
class ControlHead {
 public:
  explicit ControlHead(const base::TlsFiles& tls, const detail::ControlLimits& limits = {})
      : config_(tls, limits), system_(config_) {
    SupervisorSetup plan;
    plan.wanted.colony = "wiki";
    plan.wanted.term = 7;
    WantedGeneration live{"7f3a", "/data/7f3a", retriever_pool::GenerationRole::kLive, 1, 1};
    plan.wanted.indexes = {{.name = "main", .generations = {live}}};
    plan.on_wanted = [](const WantedState&) {};
    plan.states = [] { return NodeStates{}; };
    plan.save = [](const WantedState&) {};
    plan.on_agents = [](const std::vector<AgentInfo>&) {};
    supervisor_ = system_.spawn<SupervisorActor>(std::move(plan));
    RegistrySetup setup;
    setup.wanted.colony = "wiki";
    setup.wanted.term = 7;
    retriever_pool::GenerationView generation{"main", {}, 1, 1, {}, ""};
    generation.index.generation = "7f3a";
    setup.wanted.generations = {generation};
    setup.board = std::make_shared<StatusBoard>();
    setup.is_dead = [](const ProcessIdentity&) { return false; };
    setup.publish = [](const retriever_pool::RoutingView&) {};
    registry_ = system_.spawn<RegistryActor>(std::move(setup), supervisor_);
    const auto bound = detail::publish_control(system_, registry_, 0, "127.0.0.1");
    port_ = bound ? *bound : std::uint16_t{0};
  }
  ~ControlHead() {
    detail::unpublish_control(system_, registry_, port_);
    caf::anon_send_exit(registry_, caf::exit_reason::user_shutdown);
    caf::anon_send_exit(supervisor_, caf::exit_reason::user_shutdown);
    registry_ = nullptr;
    supervisor_ = nullptr;
    system_.await_all_actors_done();
  }
  ControlHead(const ControlHead&) = delete;
  ControlHead& operator=(const ControlHead&) = delete;
  [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  detail::SystemConfig config_;
  caf::actor_system system_;
  Supervisor supervisor_;
  Registry registry_;
  std::uint16_t port_ = 0;
};

class ControlPortTest : public ::testing::Test {
 protected:
  testing::TempFolder folder;
  KeyFolder keys = KeyFolder::create(folder / "keys", {});

  /// The colony that answered, or why none did.
  static std::string colony_at(const ControlHead& head, const base::TlsFiles& tls) {
    detail::SystemConfig config(tls);
    caf::actor_system system(config);
    std::string why;
    const auto begin = std::chrono::steady_clock::now();
    const auto contact = connect_to_head(system, head.address(), why);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
    return contact ? contact->welcome.colony : why;
  }
};

TEST_F(ControlPortTest, ProcessesWithTheColonysKeysFindEachOther) {
  const ControlHead head(keys.tls());
  EXPECT_EQ(colony_at(head, keys.tls()), "wiki");
}

TEST_F(ControlPortTest, WorksWithoutKeysOnBothSides) {
  const ControlHead head({});
  EXPECT_EQ(colony_at(head, {}), "wiki");
}

TEST_F(ControlPortTest, ACertificateOfAnotherAuthorityIsRefused) {
  const ControlHead head(keys.tls());
  const auto other = KeyFolder::create(folder / "other", {});
  EXPECT_THAT(colony_at(head, other.tls()), HasSubstr("of the same authority as ours?"));
  EXPECT_EQ(colony_at(head, keys.tls()), "wiki");
}

TEST_F(ControlPortTest, AnExpiredCertificateIsRefused) {
  base::CertificateOptions old;
  old.name = "colony";
  old.from = std::chrono::system_clock::now() - std::chrono::hours(48);
  old.validity = std::chrono::hours(24);
  const auto expired = base::issue_certificate(
      {base::read_file(keys.path() / "ca.pem"), base::read_secret(keys.path() / "ca.key")}, old);
  base::write_secret(folder / "expired.pem", expired.certificate + expired.key);
  const ControlHead head(keys.tls());
  const auto ca = keys.path() / "ca.pem";
  EXPECT_THAT(colony_at(head, {folder / "expired.pem", folder / "expired.pem", ca}),
              HasSubstr("no Rookery head of this version answers"));
}

TEST_F(ControlPortTest, KeysOnOneSideOnlyEndInAHint) {
  const ControlHead closed(keys.tls());
  EXPECT_THAT(colony_at(closed, {}), HasSubstr("give --keys DIR"));
}

TEST_F(ControlPortTest, ANewCertificateIsTakenWithoutARestart) {
  const ControlHead head(keys.tls());
  keys.rotate_tls(std::chrono::hours(24));
  EXPECT_EQ(colony_at(head, keys.tls()), "wiki");
}

/// A peer that is connected and stays so.
class ControlPeer {
 public:
  ControlPeer(const ControlHead& head, const base::TlsFiles& tls) : config_(tls), system_(config_) {
    std::string why;
    const auto contact = connect_to_head(system_, head.address(), why);
    EXPECT_TRUE(contact) << why;
    if (contact) registry_ = caf::actor_cast<Registry>(contact->registry);
  }
  /// Over the same connection.
  bool answered() {
    bool well = false;
    const caf::scoped_actor self(system_);
    self->request(registry_, std::chrono::seconds(5), probe_atom_v)
        .receive([&](const Welcome&) { well = true; }, [](const caf::error&) {});
    return well;
  }

 private:
  detail::SystemConfig config_;
  caf::actor_system system_;
  Registry registry_;
};

TEST_F(ControlPortTest, SilentConnectionsAreClosedAndPeersStay) {
  for (const auto& tls : {base::TlsFiles{}, keys.tls()}) {
    const ControlHead head(tls, {.handshake = std::chrono::milliseconds(400)});
    ControlPeer peer(head, tls);
    testing::SilentClients strangers(head.port(), 20);
    EXPECT_EQ(colony_at(head, tls), "wiki");
    EXPECT_TRUE(eventually([&] { return strangers.open() == 0; }));
    EXPECT_TRUE(peer.answered());
  }
}

TEST_F(ControlPortTest, TooManySilentConnectionsDoNotKeepOthersOut) {
  for (const auto& tls : {base::TlsFiles{}, keys.tls()}) {
    const ControlHead head(tls, {.handshake = std::chrono::hours(1), .strangers_max = 4});
    ControlPeer peer(head, tls);
    testing::SilentClients strangers(head.port(), 20);
    EXPECT_TRUE(eventually([&] { return strangers.open() == 4; }));  // and no fewer
    EXPECT_EQ(colony_at(head, tls), "wiki");
    EXPECT_TRUE(peer.answered());
  }
}

TEST_F(ControlPortTest, AStrangerThatHangsUpInAHandshakeDisturbsNobody) {
  const ControlHead head(keys.tls());
  ControlPeer peer(head, keys.tls());
  for (int i = 0; i < 20; ++i) {
    testing::SilentClients rude(head.port(), 2);
    if (i % 2 == 0) rude.send("GET / HTTP/1.1\r\n\r\n");
  }
  EXPECT_EQ(colony_at(head, keys.tls()), "wiki");
  EXPECT_TRUE(peer.answered());
}

/// A header of CAF's wire that CAF takes for a handshake of `bytes`.
std::string control_header(std::uint32_t bytes) {
  std::string header(caf::io::basp::header_size, '\0');
  for (std::size_t i = 0; i < 4; ++i) header[4 + i] = static_cast<char>(bytes >> (24 - 8 * i));
  header[15] = static_cast<char>(caf::io::basp::version);
  return header;
}

TEST_F(ControlPortTest, AHeaderThatClaimsTooMuchEndsItsConnectionAndSetsNoMemoryAside) {
  const auto largest_kib = [] {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
  };
  const detail::ControlLimits limits{.handshake = std::chrono::hours(1)};
  const ControlHead head({}, limits);
  ControlPeer peer(head, {});
  const auto before = largest_kib();
  testing::SilentClients modest(head.port(), 1), greedy(head.port(), 3);
  modest.send(control_header(limits.stranger_bytes_max));
  greedy.send(control_header(1U << 30));
  EXPECT_TRUE(eventually([&] { return greedy.open() == 0; }));
  EXPECT_LT(largest_kib() - before, 256 << 10);
  EXPECT_EQ(modest.open(), 1u);
  EXPECT_TRUE(peer.answered());
}

TEST_F(ControlPortTest, BeyondLoopbackItTakesKeysOrTheWordInsecure) {
  const ColonySecurity none;
  const auto some = ColonySecurity::open(keys.path());
  EXPECT_THAT(error_text([&] { check_listen("--listen", "10.0.0.5", none, false); }),
              HasSubstr("--listen: expected an address in 127.0.0.0/8 for ports without keys, got "
                        "'10.0.0.5'; make keys with rookery keys new DIR"));
  EXPECT_EQ(error_text([&] { check_listen("--listen", "10.0.0.5", none, true); }), "(no error)");
  EXPECT_EQ(error_text([&] { check_listen("--listen", "10.0.0.5", some, false); }), "(no error)");
  EXPECT_EQ(error_text([&] { check_listen("--listen", "127.0.0.1", none, false); }), "(no error)");
}

}  // namespace
}  // namespace rookery::actors
