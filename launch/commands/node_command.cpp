#include <CLI/CLI.hpp>

#include <cstdint>
#include <memory>

#include "actors/agent_process.hpp"
#include "actors/node_process.hpp"
#include "base/error.hpp"
#include "base/stop_signal.hpp"
#include "launch/commands.hpp"
#include "retriever_pool/request_checks.hpp"

namespace rookery::launch {

void add_node_command(CLI::App& app) {
  auto* command = app.add_subcommand(
      "node", "run one retrieval node in the foreground (agents do it in the background)");
  const auto options = std::make_shared<actors::NodeOptions>();
  const auto timeout_s = std::make_shared<double>(10);
  command->add_option("--head", options->head, "control address of the head, HOST:PORT");
  command->add_option("--colony", options->colony,
                      "the colony's name; the head is then found in its folder on this host");
  command->add_option("--index", options->index,
                      "the snapshot, NAME or NAME/GENERATION (default: where the head says)");
  auto* shard = command->add_option(
      "--shard", options->shard, "the shard to serve, from 0 (default: whatever the head needs)");
  shard->check(CLI::Range(0, 1023));
  command->add_option("--replica", options->replica, "which of its replicas, from 0")
      ->check(CLI::Range(0, 63))
      ->capture_default_str();
  command->add_option("--index-name", options->index_name,
                      "the index's name in the colony (default: any that has this generation)");
  command
      ->add_option("--run", options->run,
                   "number that the agent gives: another one is another process")
      ->group("");
  command->add_option("--name", options->name, "the node's name (default: node-SHARD-REPLICA)");
  auto* listen = command->add_option("--listen", options->listen, "IPv4 address of its data plane")
                     ->capture_default_str();
  command->add_option(
      "--keys", options->keys,
      "the colony's key folder (default: $ROOKERY_KEYS, else the head's on this host)");
  command->add_flag("--insecure", options->insecure,
                    "allow --listen beyond loopback, without keys");
  command->add_option("--threads", options->threads, "search threads (default: all cores)")
      ->check(CLI::Range(1, 256));
  command
      ->add_option("--queue-requests-max", options->queue_requests_max,
                   "further requests are refused")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  command
      ->add_option("--queue-bytes-max", options->queue_bytes_max,
                   "of waiting requests; further ones are refused")
      ->check(CLI::Range(std::int64_t{1} << 16, std::int64_t{1} << 40))
      ->capture_default_str();
  command
      ->add_option("--batch-queries-max", options->batch_queries_max,
                   "queries merged into one scan")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  command
      ->add_option("--batch-window-us", options->batch_window_us,
                   "microseconds that a scan waits for more queries at most; 0: not at all")
      ->check(CLI::Range(0, 1'000'000))
      ->capture_default_str();
  command
      ->add_option("--priority-shares", options->priority_shares,
                   "share of the queue that verification, training and prefetch may fill")
      ->delimiter(',')
      ->check(CLI::Range(0.001, 1.0))
      ->capture_default_str();
  command->add_option(
      "--kind", options->kind,
      "index for queries that name none: exact, int8, hnsw, ivfpq or bm25 (default: "
      "exact where there are vectors, else bm25)");
  command
      ->add_option("--ef-search", options->tuning.ef_search,
                   "hnsw: candidates of the walk (default: what the index was built with)")
      ->check(CLI::Range(1, retriever_pool::kEfSearchMax));
  command
      ->add_option("--nprobe", options->tuning.nprobe,
                   "ivfpq: lists that are read (default: what the index was built with)")
      ->check(CLI::Range(1, retriever_pool::kNprobeMax));
  command
      ->add_option("--candidates", options->tuning.candidates,
                   "rows that are scored again exactly (default: what the index was built with)")
      ->check(CLI::Range(1, retriever_pool::kCandidatesMax));
  command->add_option("--filter-file", options->filter_file,
                      "JSON with allow_ids, deny_ids, allow_titles, deny_titles, allow_topics, "
                      "deny_topics: holds for every query");
  command
      ->add_option("--head-timeout", *timeout_s,
                   "seconds until the head must have answered, 0 waits for ever")
      ->check(CLI::Range(0.0, 86'400.0))
      ->capture_default_str();
  command
      ->add_option("--http", options->watch.http,
                   "HOST:PORT of /metrics, /healthz and /readyz; port 0 takes a free one")
      ->capture_default_str();
  command->add_option("--trace", options->watch.trace, "write a trace there, for ui.perfetto.dev");
  command->footer(
      "Example: rookery node --head 10.0.0.5:7069 --listen 10.0.0.6 --insecure\n"
      "Without --shard it serves whatever the head assigns it, one shard at a time, and waits as "
      "a\n"
      "spare while nothing is needed.\n"
      "Example: rookery node --head 127.0.0.1:7069 --index ~/.local/share/rookery/wiki --shard 0");
  command->callback([options, timeout_s, shard, listen] {
    const base::StopSignal stop;
    if (options->head.empty() && options->colony.empty()) {
      throw base::UserError("node: expected --head HOST:PORT or --colony NAME, got neither");
    }
    options->head_timeout =
        std::chrono::milliseconds(static_cast<std::int64_t>(*timeout_s * 1'000));
    if (shard->count() == 0) {
      actors::AgentOptions volunteer;
      volunteer.volunteer = true;
      volunteer.colony = options->colony;
      volunteer.head = options->head;
      volunteer.name = options->name;
      if (listen->count() > 0) volunteer.listen = options->listen;
      volunteer.keys = options->keys;
      volunteer.insecure = options->insecure;
      volunteer.cores = options->threads;
      volunteer.index = options->index;
      volunteer.watch = options->watch;
      volunteer.head_timeout = options->head_timeout;
      return actors::run_agent(volunteer, stop);
    }
    if (options->index.empty()) {
      throw base::UserError("node: expected --index PATH with --shard, got none");
    }
    actors::run_node(*options, stop);
  });
}

}  // namespace rookery::launch
