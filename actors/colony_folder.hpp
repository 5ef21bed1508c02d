#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "actors/process_identity.hpp"
#include "base/http_server.hpp"

namespace rookery::actors {

/// `head.json`: the head that runs, or the last one that did.
struct HeadRecord {
  ProcessIdentity process;
  std::uint64_t term = 0;
  std::string control;    ///< CAF, "127.0.0.1:7069"
  std::string routing;    ///< routing view for clients, "tcp://127.0.0.1:7071"
  std::string http;       ///< admin, "127.0.0.1:7070"
  std::string config;     ///< absolute path of the colony file
  std::string keys = {};  ///< absolute path of the key folder; empty: ports without keys
  /// What a client of `http` trusts; empty without keys.
  [[nodiscard]] base::TlsFiles tls() const;
};

/// `agent.json`: this host's agent and the nodes it parents.
struct AgentRecord {
  ProcessIdentity process;
  std::vector<ProcessIdentity> nodes;
};

/// Held while the object lives; the kernel frees it when the process dies, however that happens.
class FolderLock {
 public:
  FolderLock(FolderLock&& other) noexcept;
  FolderLock& operator=(FolderLock&&) = delete;
  ~FolderLock();

 private:
  friend class ColonyFolder;
  explicit FolderLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_ = -1;
};

/// What one host knows of one colony:
/// `${ROOKERY_HOME:-~/.local/share/rookery}/colonies/NAME/` with `head.json`, `agent.json`,
/// `wanted.json` and `logs/`. Files are replaced atomically.
class ColonyFolder {
 public:
  /// Throws `UserError` for a name that is not 1 to 64 of `a-z A-Z 0-9 . _ -` (no leading dot).
  explicit ColonyFolder(const std::string& name);
  /// A colony's name, or the path of its YAML file (whose `colony` key names it).
  static ColonyFolder find(const std::string& colony_or_config);

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::filesystem::path wanted_file() const { return path_ / "wanted.json"; }
  [[nodiscard]] std::filesystem::path log(const std::string& process) const;
  /// Makes the folder and `logs/`.
  void create() const;
  /// Takes `ROLE.lock` without waiting; nothing when another process holds it.
  [[nodiscard]] std::optional<FolderLock> try_lock(const std::string& role) const;

  [[nodiscard]] std::optional<HeadRecord> head() const;  ///< running or not
  void write_head(const HeadRecord& record) const;
  [[nodiscard]] std::optional<AgentRecord> agent() const;  ///< running or not
  void write_agent(const AgentRecord& record) const;
  void remove_records() const;  ///< `head.json` and `agent.json`
  /// The record of a head that runs. Throws `UserError` with the remedy for an unknown colony, one
  /// that is not up, or one whose head does not run.
  [[nodiscard]] HeadRecord running_head() const;

 private:
  std::string name_;
  std::filesystem::path path_;
};

/// The endpoint for `retriever_pool::open_pool_client` and `fetch_view`; `colony_or_config` may
/// also be such an endpoint (`tcp://…`). Throws as `ColonyFolder::running_head`.
std::string head_routing_endpoint(const std::string& colony_or_config);

}  // namespace rookery::actors
