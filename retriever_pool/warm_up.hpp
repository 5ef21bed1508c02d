#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "retriever_pool/routing_view.hpp"
#include "retriever_pool/wire_bodies.hpp"

namespace rookery::retriever_pool {

struct WarmUpOptions {
  std::int32_t queries_max = 100;            ///< [1, 100]
  std::int32_t documents = 10;               ///< per query, of which the recall is taken
  std::chrono::milliseconds answer{30'000};  ///< that one node may take for one message
  CurveClientKeys keys = {};
};

/// What a generation is warmed with and judged by.
struct StoredQueries {
  wire::QueryBody query;  ///< without passages and vectors; an empty batch: there are none
  bool asked = false;     ///< clients asked them; else they are made of the generation's own rows
};

/// Queries that the live generation's nodes answered lately; where those have seen none (or there
/// is no live one), passages of `fresh`, evenly spaced over the ids below `next_id`: their stored
/// vectors, or the first words of their texts. Blocks.
StoredQueries stored_queries(const RoutingView& view, const GenerationView& fresh,
                             std::int64_t next_id, const WarmUpOptions& options);

/// How a generation answers: a row of passage ids a query, best first.
using AnsweredIds = std::vector<std::vector<std::int64_t>>;

/// Asks every ready replica of a generation directly, so that all of them have read their files and
/// filled their caches, and merges the answers of the first replica of each shard. Throws
/// `RetrievalError` that names the node that could not answer. Blocks.
AnsweredIds warm_up(const RoutingView& view, const GenerationView& generation,
                    const StoredQueries& queries, const WarmUpOptions& options);

/// Asks one ready replica of each shard (another when that fails), with a kind other than the
/// index's own where one is given. Throws as above.
AnsweredIds ask_once(const RoutingView& view, const GenerationView& generation,
                     const StoredQueries& queries, std::optional<index_tools::IndexKind> kind,
                     const WarmUpOptions& options);

/// Share of the expected ids that were found, over all rows together; nothing when none was
/// expected. recall@k where every row expects k.
std::optional<double> recall(const AnsweredIds& found, const AnsweredIds& expected);

}  // namespace rookery::retriever_pool
