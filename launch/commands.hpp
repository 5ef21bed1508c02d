#pragma once

namespace CLI {
class App;
}

namespace rookery::launch {

/// Each adds one command (with its sub-commands, options, an example in its footer and a callback)
/// to `rookery`. A callback throws `base::UserError` for a user's mistake (exit code 2) and
/// `CLI::RuntimeError(code)` to end with another code. One file a command:
/// `launch/commands/NAME_command.cpp`.
void add_index_command(CLI::App& app);    // index build | add | reshard | append | …
void add_query_command(CLI::App& app);    // query COLONY|SNAPSHOT "text" -k 5
void add_bench_command(CLI::App& app);    // bench query | ralm
void add_head_command(CLI::App& app);     // head CONFIG
void add_agent_command(CLI::App& app);    // agent --head HOST:PORT
void add_node_command(CLI::App& app);     // node --head HOST:PORT --shard S --replica R --index DIR
void add_up_command(CLI::App& app);       // up CONFIG
void add_down_command(CLI::App& app);     // down COLONY
void add_status_command(CLI::App& app);   // status COLONY
void add_scale_command(CLI::App& app);    // scale COLONY --replicas N
void add_restart_command(CLI::App& app);  // restart COLONY [NODE]
void add_drain_command(CLI::App& app);    // drain COLONY NODE | --agent NAME
void add_undrain_command(CLI::App& app);  // undrain COLONY NODE | --agent NAME
void add_train_command(CLI::App& app);    // train CONFIG
void add_eval_command(CLI::App& app);     // eval retrieval | qa
void add_ask_command(CLI::App& app);      // ask "question" CONFIG
void add_serve_command(CLI::App& app);    // serve CONFIG
void add_config_command(CLI::App& app);   // config check FILE
void add_chaos_command(CLI::App& app);    // chaos --run all
void add_trace_command(CLI::App& app);    // trace FILE… --out FILE
void add_keys_command(CLI::App& app);     // keys new DIR
void add_swap_command(CLI::App& app);     // swap COLONY SNAPSHOT[/GENERATION]
void add_rollback_command(CLI::App& app);    // rollback COLONY
void add_quickstart_command(CLI::App& app);  // quickstart

}  // namespace rookery::launch
