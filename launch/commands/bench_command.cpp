#include <CLI/CLI.hpp>

#include "launch/commands.hpp"
#include "launch/commands/bench_blog.hpp"
#include "launch/commands/bench_bm25.hpp"
#include "launch/commands/bench_encode.hpp"
#include "launch/commands/bench_hnsw.hpp"
#include "launch/commands/bench_ivfpq.hpp"
#include "launch/commands/bench_pool.hpp"
#include "launch/commands/bench_query.hpp"
#include "launch/commands/bench_ralm.hpp"
#include "launch/commands/bench_scale.hpp"
#include "launch/commands/bench_search.hpp"
#include "launch/commands/bench_tail.hpp"

namespace rookery::launch {

void add_bench_command(CLI::App& app) {
  CLI::App* bench = app.add_subcommand("bench", "Measure a part of the system");
  bench->require_subcommand(1);
  bench->footer("Example: rookery bench query wiki --queries 2000");
  add_bench_blog(*bench);
  add_bench_bm25(*bench);
  add_bench_encode(*bench);
  add_bench_hnsw(*bench);
  add_bench_ivfpq(*bench);
  add_bench_pool(*bench);
  add_bench_query(*bench);
  add_bench_ralm(*bench);
  add_bench_scale(*bench);
  add_bench_search(*bench);
  add_bench_tail(*bench);
}

}  // namespace rookery::launch
