#include <CLI/CLI.hpp>

#include <cstdio>
#include <exception>
#include <string>

#include "base/error.hpp"
#include "launch/commands.hpp"

namespace {

constexpr int kUserMistake = 2;

void add_commands(CLI::App& app) {
  using namespace rookery::launch;
  add_quickstart_command(app);
  add_index_command(app);
  add_up_command(app);
  add_status_command(app);
  add_down_command(app);
  add_scale_command(app);
  add_restart_command(app);
  add_drain_command(app);
  add_swap_command(app);
  add_rollback_command(app);
  add_undrain_command(app);
  add_query_command(app);
  add_ask_command(app);
  add_serve_command(app);
  add_train_command(app);
  add_eval_command(app);
  add_bench_command(app);
  add_chaos_command(app);
  add_config_command(app);
  add_keys_command(app);
  add_head_command(app);
  add_agent_command(app);
  add_node_command(app);
  add_trace_command(app);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{
      "Rookery: a colony of retrieval actors that feeds RAG fine-tuning and speculative serving.\n"
      "Every command has its own --help with an example.",
      "rookery"};
  app.set_version_flag("--version", std::string("rookery ") + ROOKERY_VERSION);
  app.require_subcommand(1);
  app.footer(
      "Example: rookery up configs/wiki.yaml && rookery query wiki \"who proposed the actor "
      "model\" -k 3");
  add_commands(app);
  try {
    app.parse(argc, argv);
    return 0;
  } catch (const CLI::RuntimeError& error) {
    return error.get_exit_code();
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  } catch (const CLI::CallForAllHelp& help) {
    return app.exit(help);
  } catch (const CLI::CallForVersion& version) {
    return app.exit(version);
  } catch (const CLI::ParseError& error) {
    std::fprintf(stderr, "rookery: %s; see rookery --help\n", error.what());
    return kUserMistake;
  } catch (const rookery::base::UserError& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return kUserMistake;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "rookery: internal error: %s\n", error.what());
    return 1;
  }
}
