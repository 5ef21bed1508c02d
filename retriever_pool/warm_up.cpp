#include "retriever_pool/warm_up.hpp"

#include <algorithm>
#include <iterator>
#include <set>
#include <span>
#include <utility>
#include <zmq.hpp>

#include "base/log.hpp"
#include "retriever_pool/answer_merge.hpp"
#include "retriever_pool/detail/node_probe.hpp"

namespace rookery::retriever_pool {
namespace {

constexpr std::int64_t kProbedIds = kBatchMax;
constexpr std::size_t kWordsOfAPassage = 12;
constexpr std::size_t kQueriesAtOnce = 4;

std::vector<ReplicaView> ready_replicas(const RoutingView& view, const GenerationView& generation,
                                        std::int32_t shard) {
  std::vector<ReplicaView> found;
  for (const ReplicaView& member : view.members) {
    if (member.index == generation.index_name && member.generation == generation.index.generation &&
        member.shard == shard && member.state == ReplicaState::kReady && !member.endpoint.empty()) {
      found.push_back(member);
    }
  }
  return found;
}

detail::NodeProbe probe_of(zmq::context_t& context, const ReplicaView& node,
                           const GenerationView& generation, const WarmUpOptions& options) {
  try {
    return {context,
            node.node,
            node.endpoint,
            generation.index_name,
            generation.index.generation,
            options.answer,
            options.keys};
  } catch (const zmq::error_t& error) {
    throw RetrievalError(RetrievalFault::kInternal,
                         node.node + ": " + node.endpoint + ": " + error.what());
  }
}

/// The nodes serve others meanwhile: a hundred queries in one message would hold them up for as
/// long as a hundred of theirs take.
struct Piece {
  std::string body;
  std::uint32_t batch = 0;
};
std::vector<Piece> pieces_of(const RetrievalRequest& request, std::int32_t dimension) {
  std::vector<Piece> pieces;
  if (!request.ids.empty()) {
    pieces.push_back(
        {wire::encode_query(request, dimension), static_cast<std::uint32_t>(request.ids.size())});
    return pieces;
  }
  const auto width = static_cast<std::size_t>(dimension);
  const bool dense = request.texts.empty();
  const std::size_t batch = dense ? request.queries.size() / width : request.texts.size();
  for (std::size_t at = 0; at < batch; at += kQueriesAtOnce) {
    const std::size_t count = std::min(kQueriesAtOnce, batch - at);
    RetrievalRequest part = request;
    if (dense) {
      part.queries = request.queries.subspan(at * width, count * width);
    } else {
      part.texts = request.texts.subspan(at, count);
    }
    pieces.push_back({wire::encode_query(part, dimension), static_cast<std::uint32_t>(count)});
  }
  return pieces;
}

wire::AnswerBody ask_node(detail::NodeProbe& probe, std::span<const Piece> pieces, std::int32_t k,
                          const wire::AnswerShape& shape) {
  wire::AnswerBody all;
  for (const Piece& piece : pieces) {
    auto came = probe.ask(piece.body, piece.batch, static_cast<std::uint32_t>(k), shape);
    std::move(came.rows.begin(), came.rows.end(), std::back_inserter(all.rows));
  }
  return all;
}

/// One question to all shards. `every`: to every replica of them.
RetrievalAnswer ask_shards(const RoutingView& view, const GenerationView& generation,
                           const RetrievalRequest& request, bool every,
                           const WarmUpOptions& options) {
  zmq::context_t context;
  const std::int32_t dimension = generation.index.dimension;
  const auto pieces = pieces_of(request, dimension);
  wire::AnswerShape shape{request.want_passages, request.want_vectors, dimension};
  shape.look_up = !request.ids.empty();
  const std::int32_t k = shape.look_up ? 1 : request.k;
  std::vector<wire::AnswerBody> answers;
  for (std::int32_t shard = 0; shard < generation.shards; ++shard) {
    std::optional<wire::AnswerBody> answer;
    std::optional<RetrievalError> trouble;
    for (const ReplicaView& node : ready_replicas(view, generation, shard)) {
      if (answer && !every) break;
      try {
        auto probe = probe_of(context, node, generation, options);
        auto came = ask_node(probe, pieces, k, shape);
        if (!answer) answer = std::move(came);
      } catch (const RetrievalError& error) {
        if (every || error.fault() == RetrievalFault::kInvalid) throw;
        trouble = error;
      }
    }
    if (!answer) {
      throw trouble.value_or(RetrievalError(
          RetrievalFault::kUnavailable, "shard " + std::to_string(shard) + " of generation " +
                                            generation.index.generation + " has no ready replica"));
    }
    answers.push_back(std::move(*answer));
  }
  return merge_answers(std::move(answers), k);
}

AnsweredIds ids_of(const RetrievalAnswer& answer) {
  AnsweredIds rows;
  for (const auto& row : answer.rows) {
    rows.emplace_back();
    for (const Document& document : row) rows.back().push_back(document.id);
  }
  return rows;
}

std::uint32_t queries_of(const wire::QueryBody& query) { return query.batch; }

/// Adds queries that are not there yet, up to `limit`.
void add_queries(wire::QueryBody& all, const wire::QueryBody& more, std::uint32_t limit,
                 std::set<std::string>& known) {
  for (std::uint32_t i = 0; i < more.batch && all.batch < limit; ++i) {
    if (!more.texts.empty()) {
      if (!all.queries.empty() || !known.insert(more.texts[i]).second) continue;
      all.texts.push_back(more.texts[i]);
    } else {
      const auto row =
          std::span(more.queries).subspan(std::size_t{i} * more.dimension, more.dimension);
      const std::string bytes(reinterpret_cast<const char*>(row.data()), row.size_bytes());
      if (!all.texts.empty() || !known.insert(bytes).second) continue;
      all.dimension = more.dimension;
      all.queries.insert(all.queries.end(), row.begin(), row.end());
    }
    ++all.batch;
  }
}

std::string first_words(const Document& document) {
  const std::string text = document.title + " " + document.text;
  std::size_t words = 0, end = 0;
  while (end < text.size() && words < kWordsOfAPassage) {
    end = text.find(' ', end + 1);
    if (end == std::string::npos) end = text.size();
    ++words;
  }
  return text.substr(0, std::min(end, std::size_t{512}));
}

/// Evenly spaced passages of a generation, as queries for it.
wire::QueryBody own_queries(const RoutingView& view, const GenerationView& generation,
                            std::int64_t next_id, const WarmUpOptions& options) {
  const std::int64_t ids_max = std::max(next_id, generation.index.passages);
  if (ids_max <= 0) return {};
  std::vector<std::int64_t> ids;
  const std::int64_t probes = std::min(kProbedIds, ids_max);
  for (std::int64_t i = 0; i < probes; ++i) ids.push_back(i * ids_max / probes);
  const bool dense = generation.index.dimension > 0;
  RetrievalRequest request;
  request.ids = ids;
  request.want_vectors = dense;
  request.want_passages = !dense;
  const auto answer = ask_shards(view, generation, request, false, options);
  std::vector<const Document*> found;
  for (const auto& row : answer.rows) {
    if (!row.empty()) found.push_back(&row.front());
  }
  wire::QueryBody query;
  query.dimension = static_cast<std::uint32_t>(dense ? generation.index.dimension : 0);
  const std::size_t wanted = std::min(found.size(), static_cast<std::size_t>(options.queries_max));
  for (std::size_t i = 0; i < wanted; ++i) {
    const Document& document = *found[i * found.size() / wanted];
    if (dense) {
      query.queries.insert(query.queries.end(), document.vector.begin(), document.vector.end());
    } else {
      query.texts.push_back(first_words(document));
    }
    ++query.batch;
  }
  return query;
}

}  // namespace

StoredQueries stored_queries(const RoutingView& view, const GenerationView& fresh,
                             std::int64_t next_id, const WarmUpOptions& options) {
  StoredQueries stored;
  const auto limit = static_cast<std::uint32_t>(options.queries_max);
  if (const GenerationView* live = view.live(fresh.index_name)) {
    std::set<std::string> known;
    zmq::context_t context;
    for (std::int32_t shard = 0; shard < live->shards; ++shard) {
      for (const ReplicaView& node : ready_replicas(view, *live, shard)) {
        if (queries_of(stored.query) >= limit) break;
        try {
          auto probe = probe_of(context, node, *live, options);
          if (const auto sample = probe.sample(limit)) {
            add_queries(stored.query, *sample, limit, known);
          }
        } catch (const RetrievalError& error) {
          // One node's memory more or less: there are others, and the passages themselves.
          base::logger("retriever_pool")->warn("no stored queries: {}", error.what());
        }
      }
    }
  }
  stored.asked =
      stored.query.batch > 0 && (stored.query.queries.empty() ||
                                 std::cmp_equal(stored.query.dimension, fresh.index.dimension));
  if (!stored.asked) stored.query = own_queries(view, fresh, next_id, options);
  stored.query.k = static_cast<std::uint32_t>(options.documents);
  stored.query.want_passages = stored.query.want_vectors = false;
  return stored;
}

AnsweredIds warm_up(const RoutingView& view, const GenerationView& generation,
                    const StoredQueries& queries, const WarmUpOptions& options) {
  if (queries.query.batch == 0) return {};
  return ids_of(ask_shards(view, generation, queries.query.request(), true, options));
}

AnsweredIds ask_once(const RoutingView& view, const GenerationView& generation,
                     const StoredQueries& queries, std::optional<index_tools::IndexKind> kind,
                     const WarmUpOptions& options) {
  if (queries.query.batch == 0) return {};
  auto request = queries.query.request();
  request.kind = kind;
  return ids_of(ask_shards(view, generation, request, false, options));
}

std::optional<double> recall(const AnsweredIds& found, const AnsweredIds& expected) {
  std::size_t hits = 0, all = 0;
  for (std::size_t row = 0; row < expected.size(); ++row) {
    all += expected[row].size();
    if (row >= found.size()) continue;
    const std::set<std::int64_t> ids(found[row].begin(), found[row].end());
    hits +=
        static_cast<std::size_t>(std::count_if(expected[row].begin(), expected[row].end(),
                                               [&](std::int64_t id) { return ids.contains(id); }));
  }
  if (all == 0) return std::nullopt;
  return static_cast<double>(hits) / static_cast<double>(all);
}

}  // namespace rookery::retriever_pool
