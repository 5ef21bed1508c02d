#include "actors/colony_folder.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "base/atomic_file.hpp"
#include "base/error.hpp"
#include "base/option_reader.hpp"

namespace rookery::actors {

namespace {

using Json = nlohmann::json;
namespace fs = std::filesystem;

Json to_json(const ProcessIdentity& process) {
  return {{"pid", process.pid}, {"start_ticks", process.start_ticks}, {"boot", process.boot}};
}

ProcessIdentity process_from(const Json& json) {
  return {json.at("pid").get<pid_t>(), json.at("start_ticks").get<std::int64_t>(),
          json.at("boot").get<std::string>()};
}

/// The parsed file, or nothing when there is none. Damage is reported with the remedy: the file
/// only says who runs, so that a person can look and remove it.
template <class Record, class Read>
std::optional<Record> read_record(const fs::path& path, Read read) {
  if (!fs::exists(path)) return std::nullopt;
  try {
    return read(Json::parse(base::read_file(path)));
  } catch (const Json::exception&) {
    throw base::UserError(path.string() +
                          ": expected a process record in JSON, got a damaged file; stop the "
                          "colony's processes by hand and delete it");
  }
}

bool is_colony_name(const std::string& name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  return !name.empty() && name.size() <= 64 && name[0] != '.' && name[0] != '-' &&
         std::all_of(name.begin(), name.end(), allowed);
}

bool looks_like_a_file(const std::string& text) {
  return text.find('/') != std::string::npos || text.ends_with(".yaml") || text.ends_with(".yml");
}

}  // namespace

FolderLock::FolderLock(FolderLock&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)) {}

FolderLock::~FolderLock() {
  if (descriptor_ >= 0) close(descriptor_);
}

base::TlsFiles HeadRecord::tls() const {
  base::TlsFiles files;
  if (!keys.empty()) files.authority = fs::path(keys) / "ca.pem";
  return files;
}

ColonyFolder::ColonyFolder(const std::string& name) : name_(name) {
  if (!is_colony_name(name)) {
    throw base::UserError(
        "colony: expected a name of 1 to 64 letters, digits, '.', '_' or '-', got '" + name + "'");
  }
  path_ = base::rookery_home() / "colonies" / name;
}

ColonyFolder ColonyFolder::find(const std::string& colony_or_config) {
  if (!looks_like_a_file(colony_or_config)) return ColonyFolder(colony_or_config);
  auto reader = base::OptionReader::from_file(colony_or_config);
  std::string name = "rookery";  // the default of the key `colony`
  reader.read("colony", name);
  return ColonyFolder(name);
}

fs::path ColonyFolder::log(const std::string& process) const {
  return path_ / "logs" / (process + ".log");
}

void ColonyFolder::create() const {
  std::error_code error;
  fs::create_directories(path_ / "logs", error);
  if (error) {
    throw base::UserError((path_ / "logs").string() + ": cannot make the colony's folder: " +
                          error.message() + "; set ROOKERY_HOME to a folder that can be written");
  }
}

std::optional<FolderLock> ColonyFolder::try_lock(const std::string& role) const {
  create();
  const auto file = path_ / (role + ".lock");
  const int descriptor = open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor < 0) {
    throw base::UserError(file.string() + ": cannot open the lock: " + std::strerror(errno));
  }
  FolderLock lock(descriptor);
  if (flock(descriptor, LOCK_EX | LOCK_NB) != 0) return std::nullopt;
  return lock;
}

std::optional<HeadRecord> ColonyFolder::head() const {
  return read_record<HeadRecord>(path_ / "head.json", [](const Json& json) {
    return HeadRecord{process_from(json.at("process")),      json.at("term").get<std::uint64_t>(),
                      json.at("control").get<std::string>(), json.at("routing").get<std::string>(),
                      json.at("http").get<std::string>(),    json.at("config").get<std::string>(),
                      json.value("keys", std::string())};
  });
}

void ColonyFolder::write_head(const HeadRecord& record) const {
  const Json json = {{"process", to_json(record.process)},
                     {"term", record.term},
                     {"control", record.control},
                     {"routing", record.routing},
                     {"http", record.http},
                     {"config", record.config},
                     {"keys", record.keys}};
  base::write_file_atomically(path_ / "head.json", json.dump(2) + "\n");
}

std::optional<AgentRecord> ColonyFolder::agent() const {
  return read_record<AgentRecord>(path_ / "agent.json", [](const Json& json) {
    AgentRecord record{process_from(json.at("process")), {}};
    for (const auto& node : json.at("nodes")) record.nodes.push_back(process_from(node));
    return record;
  });
}

void ColonyFolder::write_agent(const AgentRecord& record) const {
  Json nodes = Json::array();
  for (const auto& node : record.nodes) nodes.push_back(to_json(node));
  const Json json = {{"process", to_json(record.process)}, {"nodes", nodes}};
  base::write_file_atomically(path_ / "agent.json", json.dump(2) + "\n");
}

void ColonyFolder::remove_records() const {
  std::error_code ignored;
  fs::remove(path_ / "head.json", ignored);
  fs::remove(path_ / "agent.json", ignored);
}

HeadRecord ColonyFolder::running_head() const {
  if (!fs::exists(path_)) {
    throw base::UserError("no colony '" + name_ + "' is known here (looked for " + path_.string() +
                          "); start one with: rookery up CONFIG");
  }
  const auto record = head();
  if (!record) {
    throw base::UserError("colony '" + name_ + "' is not up; start it with: rookery up CONFIG");
  }
  if (!record->process.alive()) {
    throw base::UserError("the head of colony '" + name_ + "' (pid " +
                          std::to_string(record->process.pid) +
                          ") is not running; start it again with: rookery up " + record->config);
  }
  return *record;
}

std::string head_routing_endpoint(const std::string& colony_or_config) {
  if (colony_or_config.starts_with("tcp://")) return colony_or_config;
  return ColonyFolder::find(colony_or_config).running_head().routing;
}

}  // namespace rookery::actors
