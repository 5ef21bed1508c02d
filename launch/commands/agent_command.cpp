#include <CLI/CLI.hpp>

#include <cstdint>
#include <memory>

#include "actors/agent_process.hpp"
#include "base/stop_signal.hpp"
#include "launch/commands.hpp"

namespace rookery::launch {

void add_agent_command(CLI::App& app) {
  auto* command = app.add_subcommand(
      "agent", "run a host's agent in the foreground: it parents the nodes of one colony here");
  const auto options = std::make_shared<actors::AgentOptions>();
  const auto timeout_s = std::make_shared<double>(10);
  command->add_option("--head", options->head, "control address of the head, HOST:PORT");
  command->add_option("--colony", options->colony,
                      "the colony's name; the head is then found in its folder on this host");
  command->add_option("--name", options->name, "the agent's name (default: the host's)");
  command->add_option("--listen", options->listen,
                      "IPv4 address of this host's nodes (default: the colony's pool.listen)");
  command->add_option(
      "--keys", options->keys,
      "the colony's key folder (default: $ROOKERY_KEYS, else the head's on this host)");
  command->add_flag("--insecure", options->insecure,
                    "allow --listen beyond loopback, without keys");
  command->add_option("--cores", options->cores, "cores to divide among the nodes (default: all)")
      ->check(CLI::Range(1, 4096));
  command->add_option("--head-timeout", *timeout_s, "seconds until the head must have answered")
      ->check(CLI::Range(0.1, 86'400.0))
      ->capture_default_str();
  command
      ->add_option("--http", options->watch.http,
                   "HOST:PORT of /metrics, /healthz and /readyz; port 0 takes a free one")
      ->capture_default_str();
  command->add_option("--trace", options->watch.trace,
                      "write a trace there, for ui.perfetto.dev; nodes write beside it");
  command->footer(
      "Example: rookery agent --head 10.0.0.5:7069 --listen 10.0.0.6 --insecure\n"
      "The nodes die with their agent; a head that dies changes nothing for them.");
  command->callback([options, timeout_s] {
    const base::StopSignal stop;
    options->head_timeout =
        std::chrono::milliseconds(static_cast<std::int64_t>(*timeout_s * 1'000));
    actors::run_agent(*options, stop);
  });
}

}  // namespace rookery::launch
