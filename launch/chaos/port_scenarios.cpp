// F18, F19, F20: whatever connects to our ports.
#include <sys/resource.h>

#include <algorithm>
#include <deque>
#include <random>

#include "launch/chaos/process_facts.hpp"
#include "launch/chaos/raw_peers.hpp"
#include "launch/chaos/scenario.hpp"
#include "launch/chaos/trial.hpp"

namespace rookery::launch {
namespace {

namespace wire = retriever_pool::wire;

constexpr double kMiB = 1 << 20;

/// The ports of a colony and the processes behind them.
struct Port {
  std::string what, address;
  pid_t process = 0;
  bool zmq = false;
};
std::vector<Port> ports_of(Trial& trial) {
  const auto head = actors::ColonyFolder(trial.colony().name()).head().value();
  const auto node = trial.colony().member(0, 0).value();
  return {{"data", node.endpoint, static_cast<pid_t>(node.pid), true},
          {"routing", head.routing, head.process.pid, true},
          {"control", head.control, head.process.pid, false},
          {"http", head.http, head.process.pid, false}};
}

/// Connects, where the other side still takes connections.
void connect_to(std::deque<RawTcp>& peers, const std::string& address) {
  try {
    peers.emplace_back(address);
  } catch (const std::runtime_error&) {  // refused is fine
  }
}

std::string big_endian(std::uint64_t value, int bytes) {
  std::string text;
  for (int i = bytes - 1; i >= 0; --i) text += static_cast<char>(value >> (8 * i));
  return text;
}

/// A header of CAF's wire, version 4: a handshake with a payload of `bytes`.
std::string control_header(std::uint32_t bytes) {
  std::string header(32, '\0');
  header.replace(4, 4, big_endian(bytes, 4));
  header.replace(8, 8, big_endian(4, 8));
  return header;
}

double grown(const ProcessFacts& before, pid_t process) {
  return std::max(
      0.0,
      static_cast<double>(process_facts(process).anonymous_bytes - before.anonymous_bytes) / kMiB);
}

void oversize(ScenarioRoom& room, ScenarioReport& report) {
  Trial trial(room, report);
  trial.measure_healthy(room.brief ? 2 : 5);
  const double begin = trial.now();
  for (const Port& port : ports_of(trial)) {
    if (port.what == "http") continue;
    const auto before = process_facts(port.process);
    std::deque<RawTcp> peers;
    for (const std::uint64_t claim :
         {static_cast<std::uint64_t>(wire::kQueryBytesMax) + (1 << 20), std::uint64_t{1} << 31,
          (std::uint64_t{1} << 32) - 1, (std::uint64_t{1} << 62)}) {
      connect_to(peers, port.address);
      if (peers.empty()) continue;
      if (port.zmq) {
        peers.back().send(zmtp_hello("DEALER") + '\x02' + big_endian(claim, 8) +
                          std::string(64 << 10, 'x'));
      } else {
        peers.back().send(
            control_header(static_cast<std::uint32_t>(std::min<std::uint64_t>(claim, 0xFFFFFFFF))) +
            std::string(64 << 10, 'x'));
      }
    }
    double most = 0;
    for (int look = 0; look < (room.brief ? 10 : 30); ++look) {
      room.rest(0.1);
      most = std::max(most, grown(before, port.process));
    }
    std::int64_t open = 0;
    for (const RawTcp& peer : peers) open += !peer.closed_within(std::chrono::milliseconds(1));
    report.count("memory by claims on the " + port.what + " port, MiB", most, 1.5);
    report.count("connections left open by the " + port.what + " port", static_cast<double>(open),
                 0);
  }
  // A client that would send too much is refused before anything is sent.
  const auto pool = trial.colony().client();
  const std::vector<float> much(
      static_cast<std::size_t>(wire::kQueryBytesMax) / sizeof(float) + 1024, 0.5F);
  retriever_pool::RetrievalRequest request;
  request.queries = much;
  bool refused = false;
  try {
    (void)pool->retrieve(request);
  } catch (const std::exception&) {
    refused = true;
  }
  report.at_least("the sender refuses", refused ? 1 : 0, 1);
  const double end = trial.now();
  room.rest(1);
  trial.finish();
  report.timing("p99 of others / healthy", trial.p99_ratio(begin, end), 2, "x");
}

void malformed(ScenarioRoom& room, ScenarioReport& report) {
  Trial trial(room, report);
  trial.measure_healthy(room.brief ? 1 : 4);
  std::mt19937_64 random(room.seed);
  const auto bytes = [&](std::size_t count) {
    std::string text(count, '\0');
    for (char& c : text) c = static_cast<char>(random());
    return text;
  };
  const auto ports = ports_of(trial);
  std::vector<pid_t> pids = trial.colony().node_pids();
  const pid_t head = trial.colony().head_pid();
  const int rounds = room.brief ? 30 : 300;
  std::int64_t sent = 0, answered = 0;
  for (const Port& port : ports) {
    for (int i = 0; i < rounds; ++i) {  // any bytes at all
      std::deque<RawTcp> peer;
      connect_to(peer, port.address);
      if (peer.empty()) continue;
      std::string text = bytes(1 + random() % 600);
      if (port.zmq && i % 2 == 0) text = zmtp_hello("DEALER") + text;
      if (port.what == "control") text[4] = text[5] = '\0';  // F18 has the claims
      peer.back().send(text);
      ++sent;
    }
    if (!port.zmq) continue;
    RawDealer dealer(port.address);
    for (int i = 0; i < rounds; ++i) {  // whole messages with a sound frame around nonsense
      wire::Header header;
      header.type = static_cast<wire::Type>(random() % 16);
      header.request = {random(), random()};
      header.remaining_us = random();
      const std::string body = bytes(random() % 400);
      auto frame = wire::encode_header(header, std::as_bytes(std::span(body.data(), body.size())));
      switch (i % 4) {
        case 0:  // a flip anywhere
          frame[random() % frame.size()] ^= static_cast<char>(1 << (random() % 8));
          dealer.send({frame, body});
          break;
        case 1:  // cut off
          dealer.send({frame.substr(0, random() % frame.size()), body});
          break;
        case 2:  // too many, or too few
          dealer.send(i % 8 == 2 ? std::vector<std::string>{frame}
                                 : std::vector<std::string>{frame, body, body});
          break;
        default:  // sound outside, nonsense inside
          dealer.send({frame, body});
      }
      ++sent;
    }
    while (!dealer.receive(std::chrono::milliseconds(200)).empty()) ++answered;
  }
  room.rest(0.5);
  report.at_least("all nodes are the same processes", trial.colony().node_pids() == pids, 1);
  report.at_least("the head is the same process",
                  trial.colony().head_pid() == head && !trial.colony().status().members.empty(), 1);
  report.at_least("malformed messages answered with an error", static_cast<double>(answered), 1);
  report.notes.push_back(std::to_string(sent) + " messages or byte strings sent, " +
                         std::to_string(answered) + " answered");
  trial.finish();
}

void scanners(ScenarioRoom& room, ScenarioReport& report) {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  Trial trial(room, report);
  trial.measure_healthy(room.brief ? 1 : 4);
  const double begin = trial.now();
  const std::size_t idle = room.brief ? 100 : 500;
  for (const Port& port : ports_of(trial)) {
    const auto before = process_facts(port.process);
    std::deque<RawTcp> peers;
    for (std::size_t i = 0; i < idle; ++i) connect_to(peers, port.address);
    // Some say hello in another language, or very slowly.
    for (std::size_t i = 0; i < peers.size(); ++i) {
      if (i % 5 == 1) peers[i].send("GET / HT");
      if (i % 5 == 2) peers[i].send(std::string("\x16\x03\x01\x02\x00\x01\x00", 7));
      if (i % 5 == 3) peers[i].send(zmtp_hello("DEALER").substr(0, 12));
    }
    const auto opened = trial.now();
    const auto left_over = [&] {
      return process_facts(port.process).descriptors - before.descriptors;
    };
    room.rest(0.5);  // until the port has taken them
    // They stay connected on their side: the port itself must let go of them.
    const bool gone = room.wait_until([&] { return left_over() <= 8; }, room.brief ? 15 : 30);
    const double seconds = trial.now() - opened;
    report.count("descriptors held for idle peers on the " + port.what + " port",
                 static_cast<double>(std::max<std::int64_t>(left_over(), 0)), 8);
    report.timing("idle peers are let go by the " + port.what + " port", gone ? seconds : 99,
                  port.what == "http" ? 12 : 5, "s");
    peers.clear();
    const bool free = room.wait_until([&] { return left_over() <= 8; }, 10);
    report.at_least("all are free when they hang up, " + port.what + " port", free ? 1 : 0, 1);
  }
  const double end = trial.now();
  trial.finish();
  report.timing("p99 of others / healthy", trial.p99_ratio(begin, end), 2, "x");
}

}  // namespace

std::vector<Scenario> port_scenarios() {
  return {{"F18", "messages that claim up to 2^62 bytes", false, oversize},
          {"F19", "random bytes and damaged messages on every port", true, malformed},
          {"F20", "idle connections and strangers on every port", false, scanners}};
}

}  // namespace rookery::launch
