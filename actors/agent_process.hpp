#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>

#include "base/process_watch.hpp"
#include "base/stop_signal.hpp"

namespace rookery::actors {

struct AgentOptions {
  std::string colony;  ///< empty: asked from the head at `head`
  std::string head;    ///< control address HOST:PORT; used where `head.json` names none
  std::string name;    ///< unique in the colony; empty: the host's name
  std::string listen;  ///< address of this host's nodes; empty: the colony's `pool.listen`
  std::filesystem::path keys = {};  ///< key folder; empty: see `ColonySecurity::find`
  bool insecure = false;            ///< allows `listen` beyond loopback
  std::int32_t cores = 0;           ///< to divide among the nodes; 0: all usable ones
  std::filesystem::path program;    ///< empty: the running executable
  /// `http` beyond loopback needs `insecure` or TLS; nodes write beside `trace`, as
  /// `STEM.NODE.json`.
  base::ProcessWatchOptions watch = {};
  std::chrono::milliseconds head_timeout{10'000};  ///< until the first head answers
  /// Takes one slot at most, beside the host's agent if there is one: `rookery node --head` alone.
  bool volunteer = false;
  std::filesystem::path index = {};  ///< of a volunteer: where the snapshot lies on this host,
                                     ///< `NAME` or `NAME/GENERATION`; empty: where the head says
};

/// `rookery agent`: parents the nodes of this host until a signal comes, then stops them. They die
/// with it, also when it is killed; a head that dies changes nothing. Throws `UserError` when the
/// head cannot be reached at first, or this host has an agent of the colony already; a volunteer
/// also for a snapshot that it cannot see, or that is another generation, naming the path.
void run_agent(const AgentOptions& options, const base::StopSignal& stop);

}  // namespace rookery::actors
