// Whole colonies: the built `rookery` executable, a tiny snapshot, real processes and sockets.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <arpa/inet.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include "actors/colony_folder.hpp"
#include "actors/colony_status.hpp"
#include "actors/colony_stop.hpp"
#include "base/atomic_file.hpp"
#include "base/error.hpp"
#include "base/http_server.hpp"
#include "base/subprocess.hpp"
#include "index_tools/snapshot_writer.hpp"
#include "retriever_pool/retriever.hpp"
#include "retriever_pool/view_server.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/temp_folder.hpp"

namespace rookery::actors {
namespace {

using namespace std::chrono_literals;
using retriever_pool::ReplicaState;
using testing::eventually;
using ::testing::HasSubstr;

constexpr std::int32_t kDimension = 16;
constexpr std::int64_t kPassages = 200;
constexpr auto kPatience = 20s;  // met only by a failing test

const std::filesystem::path kRookery = ROOKERY_EXECUTABLE;

/// A loopback port that somebody else has.
class TakenPort {
 public:
  TakenPort() : descriptor_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t bytes = sizeof address;
    bind(descriptor_, reinterpret_cast<sockaddr*>(&address), bytes);
    listen(descriptor_, 1);
    getsockname(descriptor_, reinterpret_cast<sockaddr*>(&address), &bytes);
    port_ = ntohs(address.sin_port);
  }
  ~TakenPort() { close(descriptor_); }
  TakenPort(const TakenPort&) = delete;
  TakenPort& operator=(const TakenPort&) = delete;
  [[nodiscard]] std::string text() const { return std::to_string(port_); }

 private:
  int descriptor_;
  int port_ = 0;
};

class ColonyProcessTest : public ::testing::Test {
 protected:
  struct Outcome {
    int code = 0;
    std::string output;  ///< standard output and error
  };

  void SetUp() override {
    if (!std::filesystem::exists(kRookery)) GTEST_SKIP() << kRookery << " is not built";
    setenv("ROOKERY_HOME", (home / "state").c_str(), 1);
    write_snapshot();
    write_config("");
  }
  void TearDown() override {
    if (std::filesystem::exists(kRookery)) stop_colony(ColonyFolder("tiny"), 5s);
    unsetenv("ROOKERY_HOME");
  }

  /// A generation of other vectors each time; the more `noise`, the more other answers.
  void write_snapshot(float noise = 0) {
    index_tools::Manifest facts;
    facts.dimension = kDimension;
    facts.sources = kPassages;
    facts.corpus = "tiny";
    facts.encoder.name = "random";
    facts.encoder.model_hash = std::string(64, 'a');
    facts.encoder.dimension = kDimension;
    facts.encoder.pooling = "mean";
    index_tools::SnapshotWriterOptions layout;
    layout.shards = 2;
    layout.indexes = {index_tools::parse_index_spec("int8"), index_tools::parse_index_spec("bm25")};
    index_tools::SnapshotWriter writer(home / "index", home / "work", facts, layout);
    std::mt19937 random(static_cast<std::mt19937::result_type>(testing::seed()));
    std::normal_distribution<float> normal;
    vectors.clear();
    for (std::int64_t id = 0; id < kPassages; ++id) {
      std::vector<float> vector(kDimension);
      for (auto& element : vector) element = normal(random);
      if (noise > 0) vector[static_cast<std::size_t>(id % kDimension)] += noise;
      const auto name = std::to_string(id);
      const std::string title = "title " + name, text = "text " + name;
      const std::string topic = "topic " + std::to_string(id % 4);
      writer.add({id, name, title, text, topic}, vector);
      vectors.push_back(vector);
    }
    writer.commit();
  }
  void write_config(const std::string& pool, const std::string& index = "") const {
    base::write_file_atomically(config(),
                                "colony: tiny\nindex: {path: " + (home / "index").string() + index +
                                    "}\npool: {replicas: 2" + pool + "}\n");
  }
  [[nodiscard]] std::filesystem::path config() const { return home.path() / "tiny.yaml"; }

  /// Runs `rookery ARGUMENTS` to its end, at most a minute.
  Outcome rookery(const std::vector<std::string>& arguments) {
    base::SubprocessOptions options;
    options.command = {kRookery.string()};
    options.command.insert(options.command.end(), arguments.begin(), arguments.end());
    options.log = home / ("output-" + std::to_string(++runs));
    const auto log = options.log;
    base::Subprocess process(std::move(options));
    const auto code = process.wait(60s);
    if (!code) process.terminate(1s);
    return {code.value_or(-1), base::read_file(log)};
  }
  void up() {
    const auto outcome = rookery({"up", config().string()});
    ASSERT_EQ(outcome.code, 0) << outcome.output << logs();
  }
  static std::string logs() {
    std::string text;
    for (const auto& file :
         std::filesystem::directory_iterator(ColonyFolder("tiny").path() / "logs")) {
      text += "== " + file.path().filename().string() + "\n" + base::read_file(file.path());
    }
    return text;
  }
  static ColonyStatus status() {
    return fetch_status(ColonyFolder("tiny").running_head(), kPatience);
  }
  static retriever_pool::RoutingView view() {
    return retriever_pool::fetch_view(head_routing_endpoint("tiny"), kPatience);
  }
  /// Everything the colony has running now.
  static std::vector<ProcessIdentity> processes() {
    const ColonyFolder folder("tiny");
    std::vector<ProcessIdentity> list;
    if (const auto head = folder.head()) list.push_back(head->process);
    if (const auto agent = folder.agent()) {
      list.push_back(agent->process);
      list.insert(list.end(), agent->nodes.begin(), agent->nodes.end());
    }
    return list;
  }

  testing::TempFolder home;
  std::vector<std::vector<float>> vectors;
  int runs = 0;
};

retriever_pool::PoolClientOptions patient_client() {
  return {.head = head_routing_endpoint("tiny"), .connect_timeout = kPatience};
}

/// Asks one question after another until told to stop, and compares each answer with the one of the
/// whole index in this process.
class SteadyClient {
 public:
  SteadyClient(const std::string& snapshot, const std::vector<std::vector<float>>& queries)
      : pool_(retriever_pool::open_pool_client(patient_client())),
        oracle_(retriever_pool::open_embedded_pool({.snapshot = snapshot, .threads = 1})),
        thread_([this, &queries] { run(queries); }) {}
  ~SteadyClient() { stop(); }
  SteadyClient(const SteadyClient&) = delete;
  SteadyClient& operator=(const SteadyClient&) = delete;
  void stop() {
    stopping_ = true;
    if (thread_.joinable()) thread_.join();
  }
  std::atomic<int> answered = 0, lost = 0, wrong = 0;

 private:
  void run(const std::vector<std::vector<float>>& queries) {
    for (std::size_t i = 0; !stopping_; i = (i + 1) % queries.size()) {
      retriever_pool::RetrievalRequest request;
      request.queries = queries[i];
      request.deadline = kPatience;
      try {
        const auto answer = pool_->retrieve(request);
        const auto expected = oracle_->retrieve(request);
        bool same = answer.rows.at(0).size() == expected.rows.at(0).size();
        for (std::size_t rank = 0; same && rank < expected.rows[0].size(); ++rank) {
          same = answer.rows[0][rank].id == expected.rows[0][rank].id &&
                 answer.rows[0][rank].score == expected.rows[0][rank].score;
        }
        wrong += !same;
        ++answered;
      } catch (const retriever_pool::RetrievalError&) {
        ++lost;
      }
    }
  }
  std::unique_ptr<retriever_pool::Retriever> pool_, oracle_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

TEST_F(ColonyProcessTest, ComesUpShowsItselfAndLeavesNothingBehind) {
  const auto outcome = rookery({"up", config().string(), "--json", (home / "up.json").string()});
  ASSERT_EQ(outcome.code, 0) << outcome.output;
  EXPECT_THAT(outcome.output, HasSubstr("tiny · 2 shards × 2 replicas"));
  EXPECT_THAT(outcome.output, HasSubstr("  shard 1  ● node-3  ● node-4"));
  EXPECT_TRUE(std::filesystem::exists(home / "up.json"));
  // The agent writes its record after it has started its nodes.
  ASSERT_TRUE(eventually([] { return processes().size() == 6; }));
  const auto running = processes();
  for (const auto& process : running) EXPECT_TRUE(process.alive());
  EXPECT_TRUE(view().complete());

  const auto head = ColonyFolder("tiny").running_head();
  const auto get = [&](const std::string& path) {
    base::HttpRequest request;
    request.method = "GET";
    request.path = path;
    return base::http_request(head.http, request, kPatience);
  };
  EXPECT_EQ(get("/healthz").status, 200);
  EXPECT_EQ(get("/readyz").status, 200);
  EXPECT_THAT(get("/metrics").body,
              HasSubstr("rookery_replicas{colony=\"tiny\",state=\"ready\"} 4"));
  EXPECT_EQ(retriever_pool::RoutingView::from_json(get("/v1/view").body).term, 1u);
  EXPECT_EQ(get("/nothing").status, 404);

  const auto table = rookery({"status", "tiny"});
  EXPECT_EQ(table.code, 0) << table.output;
  EXPECT_THAT(table.output, HasSubstr("node-4"));
  const auto again = rookery({"up", config().string()});
  EXPECT_EQ(again.code, 2);
  EXPECT_THAT(again.output, HasSubstr("colony 'tiny' is already up"));
  EXPECT_THAT(rookery({"head", config().string()}).output, HasSubstr("has a head already"));
  EXPECT_THAT(rookery({"agent", "--colony", "tiny"}).output,
              HasSubstr("has an agent on this host already"));

  const auto down = rookery({"down", config().string()});
  EXPECT_EQ(down.code, 0);
  EXPECT_THAT(down.output, HasSubstr("tiny is down · 6 processes stopped"));
  for (const auto& process : running) EXPECT_FALSE(process.alive()) << process.pid;
  EXPECT_THAT(rookery({"down", "tiny"}).output, HasSubstr("was not up"));
  const auto asked = rookery({"status", "tiny"});
  EXPECT_EQ(asked.code, 2);
  EXPECT_THAT(asked.output, HasSubstr("colony 'tiny' is not up"));
}

TEST_F(ColonyProcessTest, KindAndFilterOfTheColonyFileReachEveryNode) {
  base::write_file_atomically(home / "denied.txt", "title 9\ntitle 11\n");
  write_config("", ", kind: bm25, filter: {deny_topics: [topic 3], deny_titles_file: " +
                       (home / "denied.txt").string() + "}");
  up();
  const auto pool = retriever_pool::open_pool_client(patient_client());
  using index_tools::IndexKind;
  EXPECT_EQ(pool->description().kinds,
            (std::vector<IndexKind>{IndexKind::kExact, IndexKind::kInt8, IndexKind::kBm25}));
  EXPECT_EQ(pool->description().default_kind, IndexKind::kBm25);
  const std::vector<std::string> texts = {"text 9", "text 10", "text 7"};  // 7 is of topic 3
  retriever_pool::RetrievalRequest request;
  request.texts = texts;
  request.k = 3;
  request.deadline = kPatience;
  const auto answer = pool->retrieve(request);
  EXPECT_EQ(answer.rows[1].at(0).id, 10);
  for (const auto& row : answer.rows) {
    ASSERT_EQ(row.size(), 3U);  // every passage says "text"
    for (const auto& document : row) {
      EXPECT_NE(document.id % 4, 3);
      EXPECT_NE(document.id, 9);
    }
  }
  EXPECT_THAT(rookery({"status", "tiny"}).output, HasSubstr("tiny · bm25, exact, int8"));
  const auto query = rookery({"query", "tiny", "text 12", "-k", "1"});  // needs no encoder
  EXPECT_EQ(query.code, 0) << query.output;
  EXPECT_THAT(query.output, HasSubstr("title 12"));
  const auto looked_up = rookery({"query", "tiny", "--id", "9", "--id", "14"});
  EXPECT_THAT(looked_up.output, HasSubstr("title 14"));
  EXPECT_THAT(looked_up.output, ::testing::Not(HasSubstr("title 9")));
  const auto refused = rookery({"query", "tiny", "x", "--kind", "ivfpq"});
  EXPECT_EQ(refused.code, 2);
}

TEST_F(ColonyProcessTest, AKindThatTheSnapshotLacksIsRefusedWithTheRemedy) {
  write_config("", ", kind: hnsw");
  const auto outcome = rookery({"up", config().string()});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.output,
              HasSubstr("index.kind: expected an index kind that is there (exact, int8, bm25), got "
                        "hnsw; add it with: rookery index add SNAPSHOT --index hnsw"));
}

TEST_F(ColonyProcessTest, AKilledNodeLeavesTheViewAndComesBackWhileQueriesGoOn) {
  up();
  SteadyClient client((home / "index").string(), vectors);
  ASSERT_TRUE(eventually([&] { return client.answered > 20; }));
  const auto before = view();
  const auto victim = before.members.at(1);
  kill(static_cast<pid_t>(victim.pid), SIGKILL);
  EXPECT_TRUE(eventually([&] {
    const auto now = view();
    return now.newer_than(before) && now.members.at(1).pid != victim.pid;
  }));
  EXPECT_TRUE(eventually([&] {
    const auto now = view();
    return now.complete() && now.members.at(1).pid != victim.pid && now.members.at(1).restarts == 1;
  })) << logs();
  const int so_far = client.answered;
  EXPECT_TRUE(eventually([&] { return client.answered > so_far + 20; }));
  client.stop();
  EXPECT_EQ(client.lost, 0);
  EXPECT_EQ(client.wrong, 0);
}

TEST_F(ColonyProcessTest, AVolunteerTakesOneReplicaAndOneWithoutTheSnapshotSaysWhereItLooked) {
  up();
  SteadyClient client((home / "index").string(), vectors);
  ASSERT_TRUE(eventually([&] { return client.answered > 20; }));
  const auto control = ColonyFolder("tiny").running_head().control;
  base::SubprocessOptions options;
  options.command = {kRookery.string(), "node",   "--head",  control,
                     "--name",          "helper", "--index", (home / "index").string()};
  options.log = home / "volunteer.log";
  options.die_with_parent = true;
  base::Subprocess volunteer(std::move(options));
  const auto on_helper = [](const ColonyStatus& now) {
    return std::count_if(now.members.begin(), now.members.end(), [](const MemberStatus& member) {
      return member.agent == "helper" && member.state == "ready" && member.in_contact;
    });
  };
  EXPECT_TRUE(eventually([&] {
    const auto now = status();
    return now.complete && on_helper(now) == 1;
  })) << base::read_file(home / "volunteer.log")
      << logs();
  const int so_far = client.answered;
  EXPECT_TRUE(eventually([&] { return client.answered > so_far + 20; }));
  EXPECT_EQ(on_helper(status()), 1);  // one at most

  // Two replicas of the other shard are still on one agent: this one is asked to take one of them.
  const auto nowhere = (home / "nowhere").string();
  const auto lost = rookery({"node", "--head", control, "--name", "blind", "--index", nowhere});
  EXPECT_EQ(lost.code, 2) << lost.output;
  EXPECT_THAT(lost.output, HasSubstr(nowhere + ": expected generation "));
  EXPECT_THAT(lost.output, HasSubstr("copy the snapshot to this host"));

  EXPECT_EQ(volunteer.terminate(kPatience), 0);
  // The agent takes over what the two have left.
  EXPECT_TRUE(eventually(
      [&] {
        const auto now = status();
        return now.complete && on_helper(now) == 0;
      },
      60s))
      << logs();
  client.stop();
  EXPECT_GT(client.answered, so_far);
  EXPECT_EQ(client.lost, 0);
  EXPECT_EQ(client.wrong, 0);
}

TEST_F(ColonyProcessTest, QueriesGoOnWithoutTheHeadAndItsSuccessorRebuildsTheView) {
  up();
  SteadyClient client((home / "index").string(), vectors);
  ASSERT_TRUE(eventually([&] { return client.answered > 20; }));
  const auto before = status();
  const auto first = ColonyFolder("tiny").running_head();
  kill(first.process.pid, SIGKILL);
  ASSERT_TRUE(eventually([&] { return !first.process.alive(); }));
  int so_far = client.answered;
  EXPECT_TRUE(eventually([&] { return client.answered > so_far + 50; })) << "without a head";
  EXPECT_THAT(rookery({"status", "tiny"}).output, HasSubstr("is not running"));

  const auto begin = std::chrono::steady_clock::now();
  up();
  const auto after = status();
  const auto seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  RecordProperty("rebuild_ms", static_cast<int>(seconds * 1'000));
  EXPECT_EQ(after.term, before.term + 1);
  EXPECT_TRUE(after.complete);
  ASSERT_EQ(after.members.size(), 4u);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(after.members[i].pid, before.members[i].pid) << "a node was restarted for nothing";
  }
  EXPECT_EQ(ColonyFolder("tiny").running_head().routing, first.routing);
  so_far = client.answered;
  EXPECT_TRUE(eventually([&] { return client.answered > so_far + 20; })) << "with the new head";
  client.stop();
  EXPECT_EQ(client.lost, 0);
  EXPECT_EQ(client.wrong, 0);
}

TEST_F(ColonyProcessTest, ScalesAndRestartsWhileQueriesGoOnAndNothingIsLost) {
  up();
  SteadyClient client((home / "index").string(), vectors);
  ASSERT_TRUE(eventually([&] { return client.answered > 20; }));
  const auto run = [&](const std::vector<std::string>& arguments) {
    const auto outcome = rookery(arguments);
    EXPECT_EQ(outcome.code, 0) << outcome.output << logs();
    EXPECT_TRUE(eventually([] { return status().complete; })) << logs();
    return outcome.output;
  };
  EXPECT_THAT(run({"scale", "tiny", "--replicas", "3"}), HasSubstr("from 2 to 3 replicas"));
  EXPECT_EQ(status().members.size(), 6u);
  run({"scale", "tiny", "--replicas", "1"});
  EXPECT_TRUE(eventually([] { return status().members.size() == 2; })) << "the others said goodbye";
  const auto before = status();
  EXPECT_THAT(run({"restart", "tiny"}), HasSubstr("2 of 2 nodes are new"));
  EXPECT_TRUE(eventually([] { return status().members.size() == 2; })) << "no surplus is left";
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_NE(status().members[i].pid, before.members[i].pid);
    EXPECT_EQ(status().members[i].node, before.members[i].node);
  }
  const int so_far = client.answered;
  EXPECT_TRUE(eventually([&] { return client.answered > so_far + 20; }));
  client.stop();
  EXPECT_EQ(client.lost, 0);
  EXPECT_EQ(client.wrong, 0);
  const auto refused = rookery({"drain", "tiny", before.members[0].node});
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.output, HasSubstr("holds the last replica of shard 0"));
}

/// Callers that keep a colony's queues full: each asks for a great batch again and again.
class CrowdOfCallers {
 public:
  CrowdOfCallers(const std::vector<std::vector<float>>& vectors, int callers)
      : pool_(retriever_pool::open_pool_client({.head = head_routing_endpoint("tiny")})) {
    constexpr std::size_t kQueries = 512;
    for (std::size_t i = 0; i < kQueries; ++i) {
      const auto& vector = vectors[i % vectors.size()];
      queries_.insert(queries_.end(), vector.begin(), vector.end());
    }
    for (int i = 0; i < callers; ++i) threads_.emplace_back([this] { run(); });
  }
  ~CrowdOfCallers() {
    stopping_ = true;
    for (auto& thread : threads_) thread.join();
  }
  CrowdOfCallers(const CrowdOfCallers&) = delete;
  CrowdOfCallers& operator=(const CrowdOfCallers&) = delete;
  std::atomic<int> answered = 0;

 private:
  void run() {
    while (!stopping_) {
      retriever_pool::RetrievalRequest request;
      request.queries = queries_;
      request.want_passages = false;
      request.deadline = 5s;
      try {
        (void)pool_->retrieve(request);
        ++answered;
      } catch (const retriever_pool::RetrievalError&) {  // refused: the queue is full
      }
    }
  }
  std::vector<float> queries_;
  std::unique_ptr<retriever_pool::Retriever> pool_;
  std::atomic<bool> stopping_ = false;
  std::vector<std::thread> threads_;
};

TEST_F(ColonyProcessTest, ScalesUpWhileRequestsWaitAndDownWhenNoneDoes) {
  write_config(
      ", autoscale: {replicas_min: 2, replicas_max: 3, queue_wait_ms: 1, up_after_ms: 300, "
      "down_after_ms: 1000}");
  up();
  const auto reasons = [] {
    std::string text;
    for (const auto& operation : status().operations) text += operation.text + "\n";
    return text;
  };
  {
    const CrowdOfCallers crowd(vectors, 12);
    EXPECT_TRUE(eventually([] { return status().members.size() == 6; })) << logs();
    EXPECT_TRUE(eventually([] { return status().complete; }));
    EXPECT_THAT(reasons(), HasSubstr("autoscale: requests wait "));
    EXPECT_GT(crowd.answered, 0);
  }
  EXPECT_TRUE(eventually([] { return status().members.size() == 4; })) << logs();
  EXPECT_TRUE(status().complete);
}

TEST_F(ColonyProcessTest, ServesSeveralIndexesByTheirNames) {
  base::write_file_atomically(config(),
                              "colony: tiny\nindex: {path: " + (home / "index").string() +
                                  "}\nindexes: {words: {path: " + (home / "index").string() +
                                  ", kind: bm25, replicas: 2}}\n");
  up();
  EXPECT_EQ(status().members.size(), 6u);
  const auto words = rookery({"query", "tiny", "text 12", "-k", "1", "--index", "words"});
  EXPECT_EQ(words.code, 0) << words.output;
  EXPECT_THAT(words.output, HasSubstr("title 12"));
  const auto missing = rookery({"query", "tiny", "text 12", "--index", "none"});
  EXPECT_EQ(missing.code, 2);
  EXPECT_THAT(missing.output, HasSubstr("--index: expected an index of tiny, got 'none'"));
}

TEST_F(ColonyProcessTest, NodesDieWithTheirAgentAndUpReplacesBoth) {
  up();
  const auto agent = *ColonyFolder("tiny").agent();
  kill(agent.process.pid, SIGKILL);
  for (const auto& node : agent.nodes) {
    EXPECT_TRUE(eventually([&] { return !node.alive(); })) << node.pid;
  }
  EXPECT_TRUE(eventually([&] {
    const auto now = status();
    return std::none_of(now.members.begin(), now.members.end(),
                        [](const auto& member) { return member.state == "ready"; });
  }));
  up();
  EXPECT_TRUE(status().complete);
  EXPECT_EQ(status().term, 1u) << "the head was not touched";
}

TEST_F(ColonyProcessTest, ADamagedSnapshotIsNamedAndNothingIsLeftRunning) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(home / "index")) {
    if (entry.path().filename() != "vectors") continue;
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(100);
    file.put('!');
  }
  const auto outcome = rookery({"up", config().string()});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.output, HasSubstr("did not start: "));
  EXPECT_THAT(outcome.output, HasSubstr("vectors"));
  EXPECT_TRUE(processes().empty());
}

TEST_F(ColonyProcessTest, MistakesAreNamedBeforeAnythingStarts) {
  write_config(", shards: 3");
  auto outcome = rookery({"up", config().string()});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.output, HasSubstr("pool.shards: expected 2, the number of shards in"));
  outcome = rookery({"head", config().string()});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.output, HasSubstr("got 3; correct it, or rebuild"));

  const TakenPort taken;
  for (const std::string key : {"control_port", "routing_port", "http_port"}) {
    write_config(", " + key + ": " + taken.text());
    outcome = rookery({"up", config().string()});
    EXPECT_EQ(outcome.code, 2) << key;
    EXPECT_THAT(outcome.output, HasSubstr(taken.text())) << key;
    EXPECT_TRUE(processes().empty());
  }

  base::write_file_atomically(config(),
                              "colony: tiny\nindex: {path: " + (home / "none").string() + "}\n");
  outcome = rookery({"up", config().string()});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.output, HasSubstr((home / "none").string()));
  outcome = rookery({"status", "nobody"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.output, HasSubstr("no colony 'nobody' is known here"));
  outcome = rookery({"down", "nobody"});
  EXPECT_EQ(outcome.code, 2);
}

TEST_F(ColonyProcessTest, AnUnreachableHeadIsReportedInTime) {
  const TakenPort silent;  // takes connections, but never says a word
  const auto index = (home / "index").string();
  const auto begin = std::chrono::steady_clock::now();
  for (const auto& address : {"127.0.0.1:" + silent.text(), std::string("127.0.0.1:1")}) {
    auto outcome = rookery(
        {"node", "--head", address, "--index", index, "--shard", "0", "--head-timeout", "0.3"});
    EXPECT_EQ(outcome.code, 2) << outcome.output;
    EXPECT_THAT(outcome.output, HasSubstr("expected a Rookery head at " + address));
    outcome = rookery({"agent", "--head", address, "--head-timeout", "0.3"});
    EXPECT_EQ(outcome.code, 2) << outcome.output;
    EXPECT_THAT(outcome.output, HasSubstr("expected a Rookery head at " + address));
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 30s);
  const auto outcome = rookery({"node", "--head", "nonsense", "--index", index, "--shard", "0"});
  EXPECT_THAT(outcome.output, HasSubstr("--head: expected HOST:PORT"));
  EXPECT_THAT(rookery({"node", "--head", "127.0.0.1:1", "--index", index, "--shard", "7"}).output,
              HasSubstr("--shard: expected a shard of"));
}

TEST_F(ColonyProcessTest, ANodeStartedByHandJoinsAndLeaves) {
  write_config("");
  base::SubprocessOptions head_options;
  head_options.command = {kRookery.string(), "head", config().string()};
  head_options.log = home / "head.log";
  base::Subprocess head(std::move(head_options));
  const ColonyFolder folder("tiny");
  ASSERT_TRUE(eventually([&] { return folder.head().has_value(); }));
  base::SubprocessOptions options;
  options.command = {kRookery.string(), "node",
                     "--head",          folder.head()->control,
                     "--index",         (home / "index").string(),
                     "--shard",         "1",
                     "--name",          "by-hand"};
  options.log = home / "node.log";
  base::Subprocess node(std::move(options));
  ASSERT_TRUE(eventually([&] {
    const auto now = status();
    return now.members.size() > 2 && now.members[2].state == "ready" &&
           now.members[2].node == "by-hand";
  })) << base::read_file(home / "node.log");
  EXPECT_EQ(node.terminate(kPatience), 0);
  EXPECT_TRUE(eventually([] { return status().members.at(2).state == "gone"; }))
      << "it said goodbye";
  EXPECT_EQ(head.terminate(kPatience), 0);
}

/// Asks one question after another and compares each answer with the one of the whole generation
/// that it says it is from.
class GenerationsClient {
 public:
  /// `live` is known before the first question.
  GenerationsClient(std::vector<std::vector<float>> queries, const std::filesystem::path& live)
      : queries_(std::move(queries)), pool_(retriever_pool::open_pool_client(patient_client())) {
    know(live);
    thread_ = std::thread([this] { run(); });
  }
  ~GenerationsClient() { stop(); }
  GenerationsClient(const GenerationsClient&) = delete;
  GenerationsClient& operator=(const GenerationsClient&) = delete;
  void know(const std::filesystem::path& folder) {
    auto oracle = retriever_pool::open_embedded_pool({.snapshot = folder.string(), .threads = 1});
    const auto generation = oracle->description().generation;
    const std::lock_guard lock(mutex_);
    oracles_[generation] = std::move(oracle);
  }
  void stop() {
    stopping_ = true;
    if (thread_.joinable()) thread_.join();
  }
  std::atomic<int> answered = 0, lost = 0, wrong = 0;
  std::string trouble;  ///< of the first that was lost; after `stop`

 private:
  void run() {
    for (std::size_t i = 0; !stopping_; i = (i + 1) % queries_.size()) {
      retriever_pool::RetrievalRequest request;
      request.queries = queries_[i];
      request.want_passages = false;
      request.deadline = kPatience;
      try {
        const auto answer = pool_->retrieve(request);
        const std::lock_guard lock(mutex_);
        const auto oracle = oracles_.find(answer.generation);
        bool same = oracle != oracles_.end();
        if (same) {
          const auto expected = oracle->second->retrieve(request);
          same = answer.rows.at(0).size() == expected.rows.at(0).size();
          for (std::size_t rank = 0; same && rank < expected.rows[0].size(); ++rank) {
            same = answer.rows[0][rank].id == expected.rows[0][rank].id &&
                   answer.rows[0][rank].score == expected.rows[0][rank].score;
          }
        }
        wrong += !same;
        ++answered;
      } catch (const retriever_pool::RetrievalError& error) {
        if (lost++ == 0) trouble = error.what();
      }
    }
  }
  std::vector<std::vector<float>> queries_;
  std::mutex mutex_;  // guards oracles_
  std::map<std::string, std::unique_ptr<retriever_pool::Retriever>> oracles_;
  std::unique_ptr<retriever_pool::Retriever> pool_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

TEST_F(ColonyProcessTest, GenerationsAreSwappedUnderLoadAndABadOneOrADeadHeadCostsNothing) {
  const auto current = [&] {
    auto name = base::read_file(home / "index" / "CURRENT");
    name.pop_back();
    return name;
  };
  const auto folder = [&](const std::string& generation) { return home / "index" / generation; };
  const auto live = [] {
    std::vector<std::string> found;
    for (const auto& generation : view().generations) {
      if (generation.role == retriever_pool::GenerationRole::kLive) {
        found.push_back(generation.index.generation);
      }
    }
    return found;
  };
  using Names = std::vector<std::string>;
  const std::string first = current();
  up();
  GenerationsClient client(vectors, folder(first));
  ASSERT_TRUE(eventually([&] { return client.answered > 20; }));

  write_snapshot(0.01F);
  const std::string second = current();
  ASSERT_NE(second, first);
  client.know(folder(second));
  auto outcome = rookery({"swap", "tiny", (home / "index").string()});
  ASSERT_EQ(outcome.code, 0) << outcome.output << logs();
  EXPECT_THAT(outcome.output, HasSubstr("generation " + second + " is live: recall "));
  EXPECT_TRUE(eventually([&] { return live() == Names{second}; }));
  outcome = rookery({"rollback", "tiny"});
  EXPECT_EQ(outcome.code, 0) << outcome.output;
  EXPECT_TRUE(eventually([&] { return live() == Names{first} && current() == first; }));
  outcome = rookery({"swap", "tiny", folder(first).string()});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.output, HasSubstr("is live already"));

  write_snapshot(0.02F);
  const std::string bad = current();
  {
    std::fstream file(folder(bad) / "shard-1" / "vectors",
                      std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(100);
    file.put('!');
  }
  outcome = rookery({"swap", "tiny", folder(bad).string()});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.output, HasSubstr("rolled back, generation " + first + " stays live"));
  EXPECT_THAT(outcome.output, HasSubstr("vectors"));
  EXPECT_EQ(live(), Names{first});
  EXPECT_EQ(current(), first) << "not the refused one";

  write_snapshot(9.0F);
  const std::string strange = current();
  outcome = rookery({"swap", "tiny", folder(strange).string(), "--recall-min", "0.9"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.output, HasSubstr("to swap all the same, give --recall-min at most"));

  write_snapshot(0.03F);
  const std::string third = current();
  client.know(folder(third));
  EXPECT_EQ(rookery({"swap", "tiny", folder(third).string(), "--no-wait"}).code, 0);
  ASSERT_TRUE(eventually([&] { return view().find("main", third) != nullptr; })) << logs();
  const auto head = ColonyFolder("tiny").running_head();
  kill(head.process.pid, SIGKILL);
  ASSERT_TRUE(eventually([&] { return !head.process.alive(); }));
  up();
  EXPECT_TRUE(eventually([&] {
    const auto now = view();
    return std::none_of(now.generations.begin(), now.generations.end(), [](const auto& one) {
      return one.role == retriever_pool::GenerationRole::kPreparing;
    });
  })) << logs();
  const auto after = live();
  ASSERT_EQ(after.size(), 1U);
  EXPECT_TRUE(after.front() == first || after.front() == third) << after.front();
  EXPECT_TRUE(eventually([&] { return current() == after.front(); })) << current();
  const int so_far = client.answered;
  EXPECT_TRUE(eventually([&] { return client.answered > so_far + 20; }));
  client.stop();
  EXPECT_EQ(client.lost, 0) << client.trouble;
  EXPECT_EQ(client.wrong, 0);
}

}  // namespace
}  // namespace rookery::actors
