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
#ifdef ROOKERY_HAS_QUICKSTART
  add_quickstart_command(app);
#endif
#ifdef ROOKERY_HAS_INDEX
  add_index_command(app);
#endif
#ifdef ROOKERY_HAS_UP
  add_up_command(app);
#endif
#ifdef ROOKERY_HAS_STATUS
  add_status_command(app);
#endif
#ifdef ROOKERY_HAS_DOWN
  add_down_command(app);
#endif
#ifdef ROOKERY_HAS_QUERY
  add_query_command(app);
#endif
#ifdef ROOKERY_HAS_ASK
  add_ask_command(app);
#endif
#ifdef ROOKERY_HAS_SERVE
  add_serve_command(app);
#endif
#ifdef ROOKERY_HAS_TRAIN
  add_train_command(app);
#endif
#ifdef ROOKERY_HAS_EVAL
  add_eval_command(app);
#endif
#ifdef ROOKERY_HAS_BENCH
  add_bench_command(app);
#endif
#ifdef ROOKERY_HAS_CONFIG
  add_config_command(app);
#endif
#ifdef ROOKERY_HAS_HEAD
  add_head_command(app);
#endif
#ifdef ROOKERY_HAS_AGENT
  add_agent_command(app);
#endif
#ifdef ROOKERY_HAS_NODE
  add_node_command(app);
#endif
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
