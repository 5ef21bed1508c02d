// A whole colony under keys: real processes, real certificates.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "actors/colony_folder.hpp"
#include "actors/colony_status.hpp"
#include "actors/colony_stop.hpp"
#include "base/atomic_file.hpp"
#include "base/http_server.hpp"
#include "base/subprocess.hpp"
#include "index_tools/snapshot_writer.hpp"
#include "retriever_pool/key_folder.hpp"
#include "retriever_pool/view_server.hpp"
#include "tests/support/error_text.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/temp_folder.hpp"

namespace rookery::actors {
namespace {

using namespace std::chrono_literals;
using testing::error_text;
using testing::eventually;
using ::testing::HasSubstr;

const std::filesystem::path kRookery = ROOKERY_EXECUTABLE;

class SecureColonyTest : public ::testing::Test {
 protected:
  struct Outcome {
    int code = 0;
    std::string output;
  };
  testing::TempFolder home;
  int runs = 0;

  void SetUp() override {
    if (!std::filesystem::exists(kRookery)) GTEST_SKIP() << kRookery << " is not built";
    setenv("ROOKERY_HOME", (home / "state").c_str(), 1);
    unsetenv("ROOKERY_KEYS");
    index_tools::Manifest facts;
    facts.dimension = 4;
    facts.sources = 20;
    facts.corpus = "secure";
    facts.encoder.name = "random";
    facts.encoder.model_hash = std::string(64, 'a');
    facts.encoder.dimension = 4;
    facts.encoder.pooling = "mean";
    index_tools::SnapshotWriterOptions layout;
    layout.indexes = {index_tools::parse_index_spec("bm25")};
    for (const std::string word : {"text ", "other text "}) {
      index_tools::SnapshotWriter writer(home / (word == "text " ? "index" : "next"), home / "work",
                                         facts, layout);
      for (std::int64_t id = 0; id < 20; ++id) {
        const std::string name = std::to_string(id);
        const std::string text = word + name;
        writer.add({id, name, "title", text, "topic"},
                   std::vector<float>{1, 2, 3, static_cast<float>(id)});
      }
      writer.commit();
    }
    base::write_file_atomically(home / "secure.yaml",
                                "colony: secure\nindex: {path: " + (home / "index").string() +
                                    "}\npool: {keys: " + (home / "keys").string() + "}\n");
  }
  void TearDown() override {
    if (std::filesystem::exists(kRookery)) stop_colony(ColonyFolder("secure"), 5s);
    unsetenv("ROOKERY_HOME");
  }
  Outcome rookery(const std::vector<std::string>& arguments) {
    return rookery_at_once({arguments}).front();
  }
  /// Commands side by side: each that is refused takes a client's whole time to connect.
  std::vector<Outcome> rookery_at_once(const std::vector<std::vector<std::string>>& commands) {
    std::vector<std::filesystem::path> logs;
    std::vector<std::unique_ptr<base::Subprocess>> processes;
    for (const auto& arguments : commands) {
      base::SubprocessOptions options;
      options.command = {kRookery.string()};
      options.command.insert(options.command.end(), arguments.begin(), arguments.end());
      options.log = home / ("output-" + std::to_string(++runs));
      logs.push_back(options.log);
      processes.push_back(std::make_unique<base::Subprocess>(std::move(options)));
    }
    std::vector<Outcome> outcomes;
    for (std::size_t i = 0; i < processes.size(); ++i) {
      const auto code = processes[i]->wait(60s);
      if (!code) processes[i]->terminate(1s);
      outcomes.push_back({code.value_or(-1), base::read_file(logs[i])});
    }
    return outcomes;
  }
};

TEST_F(SecureColonyTest, ServesWhoeverHasAKeyAndTellsTheOthersWhy) {
  const std::string keys = (home / "keys").string(), config = (home / "secure.yaml").string();
  auto outcome = rookery({"up", config});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.output, HasSubstr("rookery keys new " + keys));
  ASSERT_EQ(rookery({"keys", "new", keys}).code, 0);
  outcome = rookery({"up", config});
  ASSERT_EQ(outcome.code, 0) << outcome.output;

  // On this host commands find the keys in the colony's record.
  outcome = rookery({"query", "secure", "text 7", "--kind", "bm25"});
  EXPECT_EQ(outcome.code, 0) << outcome.output;
  EXPECT_EQ(rookery({"status", "secure"}).code, 0);

  // Orders go over TLS; the swap's warm-up asks the nodes under the colony's own keys.
  outcome = rookery({"scale", "secure", "--replicas", "2"});
  EXPECT_EQ(outcome.code, 0) << outcome.output;
  outcome = rookery({"swap", "secure", (home / "next").string(), "--recall-min", "0"});
  EXPECT_EQ(outcome.code, 0) << outcome.output;
  outcome = rookery({"query", "secure", "other 7", "--kind", "bm25"});
  EXPECT_EQ(outcome.code, 0) << outcome.output;
  EXPECT_THAT(outcome.output, HasSubstr("other text 7"));

  // Elsewhere a client needs its file; without it, with one of another colony, or with one that
  // was withdrawn it is told why.
  const auto head = ColonyFolder("secure").running_head();
  ASSERT_EQ(rookery({"keys", "client", keys, "trainer"}).code, 0);
  const std::string file = keys + "/clients/trainer.key";
  const std::vector<std::string> query = {"query", head.routing, "text 7", "--kind", "bm25"};
  const auto with_key = [&](const std::string& key) {
    auto command = query;
    command.insert(command.end(), {"--keys", key});
    return command;
  };
  outcome = rookery(with_key(file));
  EXPECT_EQ(outcome.code, 0) << outcome.output;
  std::filesystem::copy_file(file, home / "old.key");
  std::filesystem::permissions(home / "old.key", std::filesystem::perms(0600));
  ASSERT_EQ(rookery({"keys", "revoke", keys, "trainer"}).code, 0);
  // Withdrawal is seen by running processes within a second.
  const auto old = retriever_pool::read_client_keys(home / "old.key");
  EXPECT_TRUE(eventually([&] {
    const auto why =
        error_text([&] { (void)retriever_pool::fetch_view(head.routing, 500ms, old); });
    return why.find("it refused our key") != std::string::npos;
  }));
  const std::string foreign = (home / "foreign").string();
  ASSERT_EQ(rookery({"keys", "new", foreign}).code, 0);
  ASSERT_EQ(rookery({"keys", "client", foreign, "stranger"}).code, 0);
  const auto refused = rookery_at_once(
      {query, with_key(foreign + "/clients/stranger.key"), with_key((home / "old.key").string())});
  for (const auto& one : refused) EXPECT_EQ(one.code, 2) << one.output;
  EXPECT_THAT(refused[0].output, HasSubstr("give --keys FILE or set ROOKERY_KEYS"));
  EXPECT_THAT(refused[1].output, HasSubstr("its keys are not those that we were given"));
  EXPECT_THAT(refused[2].output, HasSubstr("it refused our key"));

  // The admin port is HTTPS, and goes on through a rotation.
  EXPECT_NE(error_text([&] { fetch_status(head.http, 20s); }), "(no error)");
  ASSERT_EQ(rookery({"keys", "rotate", keys, "--tls"}).code, 0);
  EXPECT_EQ(fetch_status(head, 20s).colony, "secure");
  EXPECT_EQ(rookery({"down", "secure"}).code, 0);
}

}  // namespace
}  // namespace rookery::actors
