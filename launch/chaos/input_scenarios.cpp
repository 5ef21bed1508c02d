// F16, F17, F28: requests, vectors and configuration that make no sense.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/atomic_file.hpp"
#include "base/error.hpp"
#include "index_tools/snapshot_writer.hpp"
#include "launch/chaos/process_facts.hpp"
#include "launch/chaos/raw_peers.hpp"
#include "launch/chaos/scenario.hpp"
#include "launch/chaos/trial.hpp"

namespace rookery::launch {
namespace {

namespace wire = retriever_pool::wire;
using retriever_pool::RetrievalError;
using retriever_pool::RetrievalFault;
using retriever_pool::RetrievalRequest;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kAnswer{5};

/// The fault of a request, and how long it took, ms; no fault when it was answered.
struct Refused {
  std::optional<RetrievalFault> fault;
  std::string words;
  double ms = 0;
};
Refused ask(retriever_pool::Retriever& pool, const RetrievalRequest& request) {
  Refused refused;
  const auto begin = Clock::now();
  try {
    (void)pool.retrieve(request);
  } catch (const RetrievalError& error) {
    refused.fault = error.fault();
    refused.words = error.what();
  } catch (const std::invalid_argument& error) {  // of the caller's own process
    refused.fault = RetrievalFault::kInvalid;
    refused.words = error.what();
  }
  refused.ms = std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
  return refused;
}

void put32(std::string& to, std::uint32_t value) {
  char bytes[4];
  std::memcpy(bytes, &value, sizeof bytes);
  to.append(bytes, sizeof bytes);
}
std::string query_body(std::uint32_t batch, std::uint32_t dimension, std::uint32_t k,
                       const std::vector<float>& values) {
  std::string body;
  put32(body, batch);
  put32(body, dimension);
  put32(body, k);
  put32(body, 0);
  body.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
  return body;
}

/// What a node answers to such a body; `answered` false for none or for something else.
struct NodeRefusal {
  bool refused = false;
  std::string words;
  double ms = 0;
};
NodeRefusal ask_node(const std::string& endpoint, const std::string& body) {
  RawDealer dealer(endpoint);
  wire::Header header;
  header.type = wire::Type::kQuery;
  header.request = {77, 1};
  header.remaining_us = 5'000'000;
  NodeRefusal result;
  dealer.send(header, "warm");  // the connection is made with a message that is refused too
  (void)dealer.receive(kAnswer);
  const auto begin = Clock::now();
  dealer.send(header, body);
  const auto error = dealer.receive_error(kAnswer);
  result.ms = std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
  result.refused = error.has_value();
  if (error) result.words = error->text;
  return result;
}

void senseless_requests(ScenarioRoom& room, ScenarioReport& report) {
  Trial trial(room, report);
  trial.measure_healthy(1);
  const auto pool = trial.colony().client();
  const auto dimension = static_cast<std::size_t>(room.corpus.dimension);
  const std::vector<float> one(dimension, 0.5F), odd(dimension + 1, 0.5F),
      many(std::size_t{1'000'000} * 4, 0.5F);
  const auto node = trial.colony().member(0, 0).value();
  const auto before = process_facts(static_cast<pid_t>(node.pid));
  int asked = 0, typed = 0;
  double slowest = 0;
  const auto expect = [&](const std::vector<float>& queries, std::int32_t k) {
    RetrievalRequest request;
    request.queries = queries;
    request.k = k;
    const auto refused = ask(*pool, request);
    ++asked;
    typed += refused.fault == RetrievalFault::kInvalid;
    slowest = std::max(slowest, refused.ms);
    if (refused.fault != RetrievalFault::kInvalid) {
      report.notes.push_back("the client did not refuse k " + std::to_string(k) + ", " +
                             std::to_string(queries.size()) + " floats: " + refused.words);
    }
  };
  expect(odd, 5);
  expect({}, 5);
  for (const std::int32_t k : {0, -1, 1025, 10'001, std::numeric_limits<std::int32_t>::max()}) {
    expect(one, k);
  }
  expect(many, 5);
  report.count("requests that the client let pass", asked - typed, 0);
  int node_asked = 0, node_typed = 0;
  double node_slowest = 0;
  const auto d = static_cast<std::uint32_t>(dimension);
  for (const auto& body :
       {query_body(1, d + 1, 5, odd), query_body(0, d, 5, {}), query_body(1, d, 0, one),
        query_body(1, d, 10'001, one), query_body(1'000'000, d, 5, one),
        query_body(0xFFFFFFFF, 0xFFFFFFFF, 5, one), query_body(2, d, 5, one),
        std::string("no query at all")}) {
    const auto refusal = ask_node(node.endpoint, body);
    ++node_asked;
    node_typed += refusal.refused;
    node_slowest = std::max(node_slowest, refusal.ms);
  }
  report.count("requests that the node did not refuse", node_asked - node_typed, 0);
  report.timing("slowest refusal by the client", slowest, 10, "ms");
  report.timing("slowest refusal by the node", node_slowest, 10, "ms");
  const auto after = process_facts(static_cast<pid_t>(node.pid));
  report.count("memory the node grew by, MiB",
               std::max(0.0, static_cast<double>(after.anonymous_bytes - before.anonymous_bytes) /
                                 (1 << 20)),
               4);
  // More documents than there are: all of them, and no invented ids.
  const auto tiny_name = room.folder / "tiny";
  write_chaos_snapshot(tiny_name, {50, room.corpus.dimension, 2, {}}, room.seed);
  const auto tiny = retriever_pool::open_embedded_pool({.snapshot = tiny_name.string()});
  RetrievalRequest all;
  all.queries = one;
  all.k = 1000;
  const auto answer = tiny->retrieve(all);
  std::vector<std::int64_t> ids;
  for (const auto& document : answer.rows.at(0)) ids.push_back(document.id);
  std::sort(ids.begin(), ids.end());
  const bool exact = ids.size() == 50 && ids.front() == 0 && ids.back() == 49;
  report.at_least("k beyond the corpus gives the corpus", exact ? 1 : 0, 1);
  trial.finish();
}

/// An odd step over all 2^32 patterns of a float; what is no number, or so large that no score
/// could be computed with it (rows are at most 1e18 long), becomes the subnormal of its low bits.
std::uint32_t pattern_of(std::int64_t number) {
  const auto pattern = static_cast<std::uint32_t>(number * 16'381 + 1);
  const float value = std::bit_cast<float>(pattern);
  return std::isfinite(value) && std::abs(value) < 1e15F ? pattern : pattern & 0x007FFFFF;
}

void strange_vectors(ScenarioRoom& room, ScenarioReport& report) {
  Trial trial(room, report);
  trial.measure_healthy(1);
  const auto pool = trial.colony().client();
  const auto dimension = static_cast<std::size_t>(room.corpus.dimension);
  const float nan = std::numeric_limits<float>::quiet_NaN(),
              inf = std::numeric_limits<float>::infinity();
  const auto node = trial.colony().member(0, 0).value();
  int silent = 0;
  for (const float bad : {nan, inf, -inf}) {
    std::vector<float> batch(3 * dimension, 0.25F);
    batch[2 * dimension + 7] = bad;
    RetrievalRequest request;
    request.queries = batch;
    const auto refused = ask(*pool, request);
    silent += refused.fault != RetrievalFault::kInvalid ||
              refused.words.find('2') == std::string::npos;  // names the row
    const auto body = query_body(3, static_cast<std::uint32_t>(dimension), 5, batch);
    silent += !ask_node(node.endpoint, body).refused;
    index_tools::Manifest facts;
    facts.dimension = static_cast<std::int32_t>(dimension);
    facts.encoder.dimension = facts.dimension;
    index_tools::SnapshotWriter writer(room.folder / "bad", room.folder / "bad.work", facts, {});
    try {
      writer.add({0, "0", "", "x"}, std::span(batch).subspan(2 * dimension, dimension));
      ++silent;
    } catch (const base::UserError&) {  // as it should be
    }
  }
  report.count("silently taken", silent, 0);
  std::vector<float> zeros(dimension, 0);
  RetrievalRequest request;
  request.queries = zeros;
  const auto answer = pool->retrieve(request);
  bool in_order = answer.rows.at(0).size() == 5;
  for (std::size_t i = 0; in_order && i < 5; ++i) {
    in_order = answer.rows[0][i].id == static_cast<std::int64_t>(i) && answer.rows[0][i].score == 0;
  }
  report.at_least("all zeros: scores 0, ids rising", in_order ? 1 : 0, 1);
  trial.finish();

  // Every kind of float there is, stored and brought back bit for bit over the wire.
  const ChaosCorpus corpus{4096, 64, 2, {}};
  const auto name = room.folder / "bits";
  {
    index_tools::Manifest facts;
    facts.dimension = corpus.dimension;
    facts.encoder.dimension = corpus.dimension;
    facts.build_key = "bits";
    index_tools::SnapshotWriterOptions layout;
    layout.shards = 2;
    index_tools::SnapshotWriter writer(name, room.folder / "bits.work", facts, layout);
    for (std::int64_t row = 0; row < corpus.rows; ++row) {
      std::vector<float> vector;
      for (std::int64_t i = 0; i < corpus.dimension; ++i) {
        vector.push_back(std::bit_cast<float>(pattern_of(row * corpus.dimension + i)));
      }
      const auto id = std::to_string(row);
      writer.add({row, id, "", "x"}, vector);
    }
    writer.commit();
  }
  ChaosColonyOptions options;
  options.home = room.folder / ("home-" + std::to_string(++room.colonies));
  options.snapshot = name;
  const ChaosColony colony(options);
  const auto client = colony.client();
  std::int64_t changed = 0, subnormal = 0;
  std::vector<std::int64_t> ids(256);
  for (std::int64_t first = 0; first < corpus.rows; first += 256) {
    for (std::int64_t i = 0; i < 256; ++i) ids[static_cast<std::size_t>(i)] = first + i;
    RetrievalRequest look_up;
    look_up.ids = ids;
    look_up.want_vectors = true;
    look_up.deadline = std::chrono::seconds(10);
    const auto rows = client->retrieve(look_up).rows;
    for (std::int64_t r = 0; r < 256; ++r) {
      for (std::int64_t i = 0; i < corpus.dimension; ++i) {
        const auto wanted = pattern_of((first + r) * corpus.dimension + i);
        const float got =
            rows[static_cast<std::size_t>(r)].at(0).vector[static_cast<std::size_t>(i)];
        changed += std::bit_cast<std::uint32_t>(got) != wanted;
        subnormal += (wanted & 0x7F800000) == 0;
      }
    }
  }
  report.count("floats that came back with other bits", static_cast<double>(changed), 0);
  report.notes.push_back(std::to_string(corpus.rows * corpus.dimension) + " float patterns, " +
                         std::to_string(subnormal) + " of them subnormal");
}

void wrong_configuration(ScenarioRoom& room, ScenarioReport& report) {
  ChaosColonyOptions options;
  options.home = room.folder / ("home-" + std::to_string(++room.colonies));
  options.snapshot = room.snapshot;
  ChaosColony colony(options);
  const auto file = options.home / "wrong.yaml";
  const std::string index = "index: {path: " + room.snapshot.string() + "}\n";
  const std::string taken = colony.status().json.empty() ? "" : colony.routing();
  const auto port = taken.substr(taken.rfind(':') + 1);
  std::string bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n";
  for (char c = 'b'; c < 'k'; ++c) {
    bomb += std::string(1, c) + ": &" + c + " [";
    for (int i = 0; i < 9; ++i) bomb += std::string(i > 0 ? ", *" : "*") + static_cast<char>(c - 1);
    bomb += "]\n";
  }
  struct Case {
    const char* what;
    std::string text;
    std::string must_say;
  };
  const std::vector<Case> cases = {
      {"unknown key", "colony: wrong\n" + index + "pool: {replica: 2}\n", "replica"},
      {"wrong type", "colony: wrong\n" + index + "pool: {replicas: two}\n", "replicas"},
      {"out of range", "colony: wrong\n" + index + "pool: {replicas: 1000}\n", "replicas"},
      {"duplicate key", "colony: wrong\n" + index + "pool: {replicas: 1, replicas: 2}\n",
       "replicas"},
      {"no snapshot", "colony: wrong\nindex: {path: /nowhere/at/all}\n", "/nowhere/at/all"},
      {"another number of shards", "colony: wrong\n" + index + "pool: {shards: 7}\n", "shards"},
      {"a port in use", "colony: wrong\n" + index + "pool: {routing_port: " + port + "}\n", port},
      {"beyond loopback without keys", "colony: wrong\n" + index + "pool: {listen: 0.0.0.0}\n",
       "listen"},
      {"no YAML", "colony: [wrong\n", "wrong.yaml"},
      {"a bomb of aliases", "colony: wrong\n" + index + bomb, "wrong.yaml"},
      {"a folder of aliases deep", "colony: " + std::string(5000, '['), "wrong.yaml"},
      {"an empty file", "", ""}};
  int taken_wrongly = 0, without_place = 0;
  double slowest = 0;
  for (const Case& one : cases) {
    base::write_file_atomically(file, one.text);
    const auto begin = Clock::now();
    const auto [code, words] = colony.rookery({"up", file.string(), "--wait-timeout", "10"});
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    slowest = std::max(slowest, seconds);
    const bool ok = code == 2;
    const bool says = words.find(one.must_say) != std::string::npos;
    taken_wrongly += !ok;
    without_place += !says;
    if (!ok || !says) {
      report.notes.push_back(std::string(one.what) + ": code " + std::to_string(code) + ", \"" +
                             words.substr(0, 160) + "\"");
    }
  }
  report.count("wrong files that did not end with code 2", taken_wrongly, 0);
  report.count("messages that do not name what is wrong", without_place, 0);
  report.timing("slowest refusal", slowest, 1, "s");
  // Others that are not there, or are there twice.
  const auto [second_code, second] = colony.rookery({"head", colony.config().string()});
  report.count("a second head was let in", second_code == 2 ? 0 : 1, 0);
  const auto [no_head_code, no_head] =
      colony.rookery({"node", "--head", "127.0.0.1:1", "--index", room.snapshot.string(), "--shard",
                      "0", "--replica", "0", "--head-timeout", "1"});
  report.count("a node without a head did not end with code 2", no_head_code == 2 ? 0 : 1, 0);
}

}  // namespace

std::vector<Scenario> input_scenarios() {
  return {{"F16", "requests that make no sense, to client and node", true, senseless_requests},
          {"F17", "NaN, infinity, zeros, subnormal floats", false, strange_vectors},
          {"F28", "configuration that is wrong", false, wrong_configuration}};
}

}  // namespace rookery::launch
