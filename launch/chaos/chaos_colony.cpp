#include "launch/chaos/chaos_colony.hpp"

#include <signal.h>
#include <stdlib.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "actors/colony_stop.hpp"
#include "base/atomic_file.hpp"
#include "base/error.hpp"
#include "retriever_pool/key_folder.hpp"

namespace rookery::launch {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kLook = 10ms;
constexpr auto kStart = 60s;

base::Subprocess start(const std::vector<std::string>& command, const std::filesystem::path& log) {
  base::SubprocessOptions options;
  options.command = command;
  options.log = log;
  return base::Subprocess(std::move(options));
}

}  // namespace

std::filesystem::path own_executable() { return base::executable_folder() / "rookery"; }

ChaosColony::ChaosColony(ChaosColonyOptions options) : options_(std::move(options)) {
  std::filesystem::create_directories(options_.home);
  ::setenv("ROOKERY_HOME", options_.home.c_str(), 1);
  actors::ColonyFolder(options_.name).create();
  if (options_.keyed) {
    keys_ = retriever_pool::KeyFolder::create(options_.home / "keys", {}).path();
    options_.pool += ", keys: " + keys_.string();
  }
  base::write_file_atomically(
      config(), "colony: " + options_.name + "\nindex: {path: " + options_.snapshot.string() +
                    options_.index + "}\npool: {replicas: 2" + options_.pool + "}\n");
  const auto begin = Clock::now();
  try {
    start_head();
    start_agent();
    if (!wait_complete(kStart)) {
      throw base::UserError("the colony did not become ready; its logs end with:\n" + logs());
    }
  } catch (...) {
    stop();
    throw;
  }
  ready_seconds_ = std::chrono::duration<double>(Clock::now() - begin).count();
}

ChaosColony::~ChaosColony() { stop(); }

void ChaosColony::stop() {
  for (auto* process : {&agent_, &head_}) {
    if (!*process) continue;
    if (!(*process)->poll()) ::kill((*process)->pid(), SIGCONT);
    (*process)->terminate(process == &agent_ ? 8s : 3s);
    process->reset();
  }
  try {
    actors::stop_colony(actors::ColonyFolder(options_.name), 2s);
  } catch (const std::exception&) {  // there is nothing left that could be stopped
  }
}

void ChaosColony::start_head() {
  const actors::ColonyFolder folder(options_.name);
  head_.emplace(start({own_executable().string(), "head", config().string()}, folder.log("head")));
  const auto end = Clock::now() + kStart;
  const auto identity = actors::ProcessIdentity::of(head_->pid());
  while (true) {
    const auto record = folder.head();
    if (record && record->process == identity) return;
    if (head_->poll() || Clock::now() > end) {
      throw base::UserError("the head did not start; its log ends with:\n" + logs());
    }
    std::this_thread::sleep_for(kLook);
  }
}

void ChaosColony::start_agent() {
  const actors::ColonyFolder folder(options_.name);
  auto command = options_.agent_prefix;
  command.insert(command.end(), {own_executable().string(), "agent", "--colony", options_.name});
  if (options_.proxied_control) {
    // Agent and nodes look the head up here, whatever else they are told.
    auto record = folder.head().value();
    control_ = std::make_unique<FaultProxy>(record.control, 1);
    record.control = control_->address();
    folder.write_head(record);
  }
  agent_.emplace(start(command, folder.log("agent")));
}

void ChaosColony::kill_head() {
  head_->signal(SIGKILL);
  head_->wait(5s);
}

actors::ColonyStatus ChaosColony::status() const {
  const auto record = actors::ColonyFolder(options_.name).head();
  if (!record) throw base::UserError("no head");
  return actors::fetch_status(*record, 2s);
}

std::optional<actors::MemberStatus> ChaosColony::member(std::int32_t shard,
                                                        std::int32_t replica) const {
  try {
    for (const auto& member : status().members) {
      if (member.shard == shard && member.replica == replica) return member;
    }
  } catch (const base::UserError&) {  // no head, no status
  }
  return std::nullopt;
}

bool ChaosColony::wait_complete(std::chrono::milliseconds timeout) const {
  const auto end = Clock::now() + timeout;
  while (true) {
    try {
      const auto now = status();
      if (now.complete) return true;
    } catch (const base::UserError&) {  // not yet
    }
    if (Clock::now() >= end || (agent_ && !actors::ProcessIdentity::of(agent_->pid()).alive())) {
      return false;
    }
    std::this_thread::sleep_for(kLook);
  }
}

std::string ChaosColony::routing() const {
  return actors::ColonyFolder(options_.name).head().value().routing;
}

std::vector<pid_t> ChaosColony::node_pids() const {
  std::vector<pid_t> pids;
  if (const auto record = actors::ColonyFolder(options_.name).agent()) {
    for (const auto& node : record->nodes) pids.push_back(node.pid);
  }
  return pids;
}

std::filesystem::path ChaosColony::folder() const {
  return actors::ColonyFolder(options_.name).path();
}
std::filesystem::path ChaosColony::config() const {
  return options_.home / (options_.name + ".yaml");
}

std::string ChaosColony::logs() const {
  std::string text;
  std::error_code ignored;
  for (const auto& file : std::filesystem::directory_iterator(folder() / "logs", ignored)) {
    const auto content = base::read_file(file.path());
    const std::size_t from = content.size() > 500 ? content.size() - 500 : 0;
    text += "== " + file.path().filename().string() + "\n" + content.substr(from);
  }
  return text;
}

std::shared_ptr<retriever_pool::Retriever> ChaosColony::client(
    retriever_pool::PoolClientOptions options) const {
  if (options.head.empty()) options.head = routing();
  if (!keys_.empty()) options.keys = retriever_pool::KeyFolder::open(keys_).own_client_keys();
  options.local_documents = false;  // the wire is what is tested
  return retriever_pool::open_pool_client(options);
}

std::pair<int, std::string> ChaosColony::rookery(const std::vector<std::string>& arguments,
                                                 std::chrono::milliseconds timeout) {
  const auto log = options_.home / ("output-" + std::to_string(++runs_));
  std::vector<std::string> command = {own_executable().string()};
  command.insert(command.end(), arguments.begin(), arguments.end());
  auto process = start(command, log);
  const auto code = process.wait(timeout);
  if (!code) process.terminate(1s);
  return {code.value_or(-1), base::read_file(log)};
}

}  // namespace rookery::launch
