#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace rookery::launch {

/// What `rookery bench tail` measures.
struct TailBenchOptions {
  std::int64_t rows = 24'000;  ///< of the shard that every replica holds: 2 to 5 ms a search
  std::int32_t dimension = 768;
  std::int32_t replicas = 3;  ///< at least 2
  double load = 0.35;         ///< share of the capacity that a closed loop finds, (0, 1)
  double slowness = 10;       ///< a call to the slow replica takes so many times the healthy median
  double seconds = 4;         ///< of each row and turn
  std::int32_t repeat = 5;    ///< turns
  std::uint64_t seed = 1;
};

/// One row of the table in one turn.
struct TailTurn {
  std::vector<double> latency_ms;  ///< of each query, from the moment it was due
  std::int64_t copies = 0;         ///< messages that went to a second replica: hedges and probes
};

/// What the turns of a row come to.
struct TailFigures {
  double p50_ms = 0, p99_ms = 0;     ///< medians of the turns
  std::vector<double> p99_ms_turns;  ///< of each: shows how quiet the machine was
  double p999_ms = 0;                ///< of all turns' queries together
  double p99_ratio = 0;   ///< median over the turns of p99 ÷ the healthy row's p99 in that turn
  double extra_load = 0;  ///< copies ÷ queries, of all turns together
};

/// `healthy[i]` and `row[i]` were measured right after one another. Zeros where there are no
/// queries. Throws `std::invalid_argument` when the numbers of turns differ.
TailFigures tail_figures(const std::vector<TailTurn>& healthy, const std::vector<TailTurn>& row);

/// Replicas of one shard in this process, each behind a proxy; one open-loop client. Four rows in
/// turns: `healthy`, and with one replica slow from the first measured query on: `hedged` (a client
/// as it comes), `choice` (without hedges and ejection), `plain` (random choice besides: a client
/// without any of it). Keys: `p99_ratio_{hedged,choice,plain}`, `extra_load` (of `hedged`),
/// `lost` and `wrong` (of all rows) and the rows' figures under `rows`. `say` is told what is being
/// measured. Throws `UserError`.
nlohmann::json measure_tail(const TailBenchOptions& options,
                            const std::function<void(const std::string&)>& say);

}  // namespace rookery::launch
