#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>

#include "base/error.hpp"
#include "trainer/rank0_retriever.hpp"
#include "trainer/train_rank.hpp"

namespace {

constexpr int kUserMistake = 2;

void add_train(CLI::App& app, int& code) {
  auto options = std::make_shared<rookery::trainer::RankRunOptions>();
  auto* command = app.add_subcommand(
      "train",
      "One rank of a fine-tuning run; RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT as from "
      "torchrun. Users call: rookery train");
  command->add_option("config", options->config, "The colony's YAML file")->required();
  command->add_option("--pool", options->pool, "embedded or tcp://HOST:PORT");
  command->add_option("--index", options->index, "Snapshot for --pool embedded");
  command->add_option("--checkpoint", options->checkpoint, "Folder to write");
  command->add_option("--steps", options->steps, "Optimizer steps in all");
  command->add_option("--seed", options->seed, "Seed of order and random numbers");
  command->add_option("--json", options->json, "Write figures of the run to this file");
  command->add_flag("--resume", options->resume, "Go on from the checkpoint");
  command->add_option("--trace", options->trace, "Folder that gets rank-N.json, for Perfetto");
  command->footer(
      "Example: torchrun --nproc-per-node 2 --no-python rookery-torch train "
      "configs/wiki.yaml --pool embedded");
  command->callback([options, &code] { code = rookery::trainer::run_rank(*options); });
}

/// Started by `rookery bench blog`, once a rank.
void add_rank0_bench(CLI::App& app, int& code) {
  auto options = std::make_shared<rookery::trainer::Rank0BenchOptions>();
  auto* command = app.add_subcommand("bench-rank0", "One trainer of rookery bench blog");
  command->group("");  // not for people
  command->add_option("--snapshot", options->snapshot)->required();
  command->add_option("--queries", options->queries)->required();
  command->add_option("--kernel", options->search.kernel)->required();
  command->add_option("--threads", options->search.threads)->required();
  command->add_option("--chunk", options->search.chunk);
  command->add_option("--batch", options->batch);
  command->add_flag("--tune", options->tune);
  command->callback([options, &code] { code = rookery::trainer::run_rank0_bench(*options); });
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"The part of Rookery that links libtorch. `rookery train` calls it.",
               "rookery-torch"};
  app.require_subcommand(1);
  app.footer("Example: rookery train configs/wiki.yaml --nproc 2");
  int code = 0;
  add_train(app, code);
  add_rank0_bench(app, code);
  const char* rank = std::getenv("RANK");
  const std::string who = rank == nullptr ? "" : "rank " + std::string(rank) + ": ";
  try {
    app.parse(argc, argv);
    return code;
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    std::fprintf(stderr, "rookery-torch: %s; see rookery-torch --help\n", error.what());
    return kUserMistake;
  } catch (const rookery::base::UserError& error) {
    // All ranks make the same mistake of a user: once is enough.
    if (who.empty() || who == "rank 0: ") std::fprintf(stderr, "%s\n", error.what());
    return kUserMistake;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "train: %s%s\n", who.c_str(), error.what());
    return 1;
  }
}
