// F15, F31: generations and keys.
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "base/atomic_file.hpp"
#include "index_tools/snapshot.hpp"
#include "launch/chaos/raw_peers.hpp"
#include "launch/chaos/scenario.hpp"
#include "launch/chaos/trial.hpp"
#include "retriever_pool/embedded_pool.hpp"
#include "retriever_pool/key_folder.hpp"
#include "retriever_pool/query_server.hpp"
#include "retriever_pool/view_server.hpp"

namespace rookery::launch {
namespace {

namespace fs = std::filesystem;

void swaps(ScenarioRoom& room, ScenarioReport& report) {
  // Two generations beside each other, and a third whose file is damaged.
  const auto blue = room.folder / "blue", green = room.folder / "green",
             bad = room.folder / "bad-index";
  fs::copy(room.snapshot, blue, fs::copy_options::recursive | fs::copy_options::copy_symlinks);
  write_chaos_snapshot(green, room.corpus, room.seed + 1);
  room.oracle.add(green, room.corpus, room.seed + 1);
  write_chaos_snapshot(bad, room.corpus, room.seed + 2);
  const auto vectors = index_tools::resolve_generation(bad) / "shard-1" / "vectors";
  {
    std::fstream file(vectors, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(1000);
    file.put('!');
  }
  const auto kept = room.snapshot;
  room.snapshot = blue;
  TrialOptions options;
  Trial trial(room, report, options);
  room.snapshot = kept;
  if (trial.colony().rookery({"--help"}).second.find("\n  swap ") == std::string::npos) {
    throw SkipScenario("this rookery has no swap command");
  }
  trial.measure_healthy(room.brief ? 1.5 : 8);
  const double begin = trial.now();
  // The rows of the two have nothing in common, so that their answers have not either.
  const auto swap_to = [&](const fs::path& snapshot) {
    return trial.colony().rookery(
        {"swap", trial.colony().name(), snapshot.string(), "--recall-min", "0", "--wait"},
        std::chrono::minutes(2));
  };
  const int wanted = room.brief ? 2 : 20;
  int done = 0;
  double during = 0;
  for (int i = 0; i < wanted; ++i) {
    const auto [code, words] = swap_to(i % 2 == 0 ? green : blue);
    done += code == 0;
    if (code != 0 && report.notes.size() < 4) report.notes.push_back(words.substr(0, 300));
    during = trial.now();
  }
  const auto [bad_code, bad_words] = swap_to(bad);
  const auto live = trial.colony().status().generation;
  trial.finish();
  const auto sum = summarise(trial.calls(), 0, 1e9);
  report.count("swaps that did not succeed", wanted - done, 0);
  report.at_least("generations that answered", static_cast<double>(sum.by_generation.size()), 2);
  report.at_least("the bad one was refused", bad_code != 0 ? 1 : 0, 1);
  report.at_least("and the old one is live",
                  live == index_tools::load_manifest(wanted % 2 == 0 ? blue : green).generation, 1);
  report.timing("p99 during swaps / healthy", trial.p99_ratio(begin, during), 1.2, "x");
  report.notes.push_back("the bad one: " + bad_words.substr(0, 200));
}

/// Two nodes and a routing port in this process, with keys; who comes without the right ones gets
/// nothing, and nothing of theirs is looked at.
void strangers(ScenarioRoom& room, ScenarioReport& report) {
  using namespace std::chrono_literals;
  namespace pool = retriever_pool;
  const auto folder = pool::KeyFolder::create(room.folder / "keys", {});
  const auto friendly = pool::read_client_keys(folder.add_client("friend"));
  const auto former = pool::read_client_keys(folder.add_client("former"));
  base::Metrics metrics;
  const auto manifest = index_tools::load_manifest(room.snapshot);
  pool::RoutingView view;
  view.colony = "chaos";
  view.term = view.epoch = 1;
  view.generations = {{"main", pool::GenerationRole::kLive, room.corpus.shards, 1,
                       pool::describe_index(manifest), ""}};
  std::vector<std::unique_ptr<pool::QueryServer>> servers;
  for (std::int32_t shard = 0; shard < room.corpus.shards; ++shard) {
    pool::QueryServerOptions options;
    options.keys = folder.server_keys();
    servers.push_back(std::make_unique<pool::QueryServer>(
        options, index_tools::open_shard(room.snapshot, shard), manifest.generation, metrics));
    pool::ReplicaView member;
    member.index = "main";
    member.shard = shard;
    member.node = "node-" + std::to_string(shard + 1);
    member.endpoint = servers.back()->endpoint();
    member.state = pool::ReplicaState::kReady;
    member.generation = manifest.generation;
    view.members.push_back(member);
  }
  pool::ViewServer head("tcp://127.0.0.1:*", folder.server_keys());
  head.publish(view);
  pool::ViewServer open_head("tcp://127.0.0.1:*");  // tells anyone where the nodes are
  open_head.publish(view);

  const auto query = room.oracle.query(0);
  pool::RetrievalRequest request;
  request.queries = query;
  request.k = room.oracle.k();
  request.deadline = 1000ms;
  const auto served = [&] {
    std::int64_t sum = 0;
    for (const auto& server : servers) sum += server->load().served + server->load().refused;
    return sum;
  };
  /// True when a client with these keys, told the way by `from`, gets an answer.
  const auto let_in = [&](const pool::CurveClientKeys& keys, const std::string& from) {
    pool::PoolClientOptions options;
    options.head = from;
    options.keys = keys;
    options.connect_timeout = 1500ms;
    options.local_documents = false;
    try {
      return room.oracle.judge(0, pool::open_pool_client(options)->retrieve(request)) ==
             CallOutcome::kRight;
    } catch (const std::exception&) {
      return false;
    }
  };
  report.at_least("a client with keys is served", let_in(friendly, head.endpoint()) ? 1 : 0, 1);
  report.at_least("and one that is to leave", let_in(former, head.endpoint()) ? 1 : 0, 1);
  folder.revoke("former");
  room.rest(2);
  const auto before = served();
  const auto stranger = pool::make_curve_pair(), other = pool::make_curve_pair();
  auto unknown = friendly;  // knows the servers' public key, which is no secret
  unknown.public_key = stranger.public_key;
  unknown.secret_key = stranger.secret_key;
  auto deceived = friendly;  // expects another server
  deceived.server_public = other.public_key;
  int in = 0;
  for (const auto& [keys, what] :
       {std::pair{unknown, "unknown key"}, std::pair{deceived, "another server's key"},
        std::pair{former, "revoked key"}, std::pair{pool::CurveClientKeys{}, "no keys"}}) {
    if (let_in(keys, head.endpoint())) {
      ++in;
      report.notes.push_back(std::string("let in by the head: ") + what);
    }
  }
  // Past the head, straight to the nodes, without encryption.
  in += let_in({}, open_head.endpoint());
  RawDealer plain(view.members.front().endpoint);
  pool::wire::Header header;
  header.type = pool::wire::Type::kPing;
  plain.send(header, "");
  in += !plain.receive(500ms).empty();
  report.count("strangers that got an answer", in, 0);
  report.count("their requests that were looked at", static_cast<double>(served() - before), 0);
  report.at_least("the client with keys is served on", let_in(friendly, head.endpoint()) ? 1 : 0,
                  1);
  report.notes.emplace_back(
      "data and routing ports; certificates of control and admin port are "
      "tried by the tests");
}

}  // namespace

std::vector<Scenario> swap_scenarios() {
  return {{"F15", "swaps under load, one of them to a damaged snapshot", true, swaps},
          {"F31", "clients with unknown, wrong, revoked and no keys", false, strangers}};
}

}  // namespace rookery::launch
