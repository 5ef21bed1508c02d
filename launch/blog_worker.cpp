#include "launch/blog_worker.hpp"

#include <unistd.h>

#include <cstring>
#include <iostream>
#include <memory>
#include <random>
#include <zmq.hpp>

#include "base/error.hpp"
#include "index_tools/npy_file.hpp"
#include "launch/blog_data.hpp"
#include "retriever_pool/retriever.hpp"

namespace rookery::launch {
namespace {

using trainer::FoundDocuments;

std::vector<float> first_queries(const std::filesystem::path& path, std::int64_t count) {
  const index_tools::NpyFile file(path);
  const auto width = static_cast<std::size_t>(file.columns());
  std::vector<float> queries(static_cast<std::size_t>(count) * width);
  for (std::int64_t i = 0; i < count; ++i) {
    file.copy_row(i % file.rows(),
                  std::span(queries).subspan(static_cast<std::size_t>(i) * width, width));
  }
  return queries;
}

FoundDocuments ask_pool(retriever_pool::Retriever& pool, std::span<const float> queries,
                        std::int32_t k) {
  const auto answer = pool.retrieve({.queries = queries,
                                     .k = k,
                                     .want_passages = false,
                                     .want_vectors = true,
                                     .deadline = std::chrono::seconds(10),
                                     .priority = retriever_pool::Priority::kTraining});
  FoundDocuments found;
  const std::size_t documents = answer.rows.size() * static_cast<std::size_t>(k);
  found.ids.reserve(documents);
  if (!answer.rows.empty() && !answer.rows[0].empty()) {
    found.vectors.reserve(documents * answer.rows[0][0].vector.size());
  }
  for (const auto& row : answer.rows) {
    for (const auto& document : row) {
      found.ids.push_back(document.id);
      found.vectors.insert(found.vectors.end(), document.vector.begin(), document.vector.end());
    }
  }
  return found;
}

/// Ray's policy: any replica, by chance, and then wait for as long as it takes.
class RandomReplicas {
 public:
  RandomReplicas(const std::vector<std::string>& endpoints, std::uint64_t seed)
      : random_(seed), pick_(0, endpoints.size() - 1) {
    for (const std::string& endpoint : endpoints) {
      sockets_.emplace_back(context_, zmq::socket_type::dealer);
      sockets_.back().set(zmq::sockopt::linger, 0);
      sockets_.back().connect(endpoint);
    }
  }

  FoundDocuments ask(std::span<const float> queries, std::int32_t /*k*/) {
    zmq::socket_t& socket = sockets_[pick_(random_)];
    socket.send(zmq::buffer(queries.data(), queries.size_bytes()), zmq::send_flags::none);
    FoundDocuments found;
    zmq::message_t ids, vectors;
    (void)socket.recv(ids);
    (void)socket.recv(vectors);
    found.ids.resize(ids.size() / sizeof(std::int64_t));
    found.vectors.resize(vectors.size() / sizeof(float));
    std::memcpy(found.ids.data(), ids.data(), found.ids.size() * sizeof(std::int64_t));
    std::memcpy(found.vectors.data(), vectors.data(), found.vectors.size() * sizeof(float));
    return found;
  }

 private:
  zmq::context_t context_;
  std::vector<zmq::socket_t> sockets_;
  std::mt19937_64 random_;
  std::uniform_int_distribution<std::size_t> pick_;
};

}  // namespace

int run_blog_trainer(const BlogTrainerOptions& options) {
  if (options.head.empty()) {
    if (options.replicas.empty())
      throw base::UserError("blog-trainer: expected a head or replicas");
    RandomReplicas replicas(options.replicas, options.seed);
    return trainer::serve_bench_steps(
        options.steps,
        [&](std::span<const float> queries, std::int32_t k) { return replicas.ask(queries, k); });
  }
  retriever_pool::PoolClientOptions client;
  client.head = options.head;
  client.seed = options.seed;
  const auto pool = retriever_pool::open_pool_client(client);
  return trainer::serve_bench_steps(
      options.steps,
      [&](std::span<const float> queries, std::int32_t k) { return ask_pool(*pool, queries, k); });
}

int run_blog_replica(const BlogReplicaOptions& options) {
  trainer::BaselineIndex index(options.snapshot, options.search);
  if (options.tune) {
    index.tune(first_queries(options.queries, BlogData::kBatch), BlogData::kDocuments);
  }
  zmq::context_t context;
  zmq::socket_t socket(context, zmq::socket_type::router);
  socket.set(zmq::sockopt::linger, 0);
  socket.bind("tcp://127.0.0.1:*");
  std::cout << "ready " << socket.get(zmq::sockopt::last_endpoint) << "\n" << std::flush;
  for (;;) {
    zmq::pollitem_t items[] = {{socket.handle(), 0, ZMQ_POLLIN, 0},
                               {nullptr, STDIN_FILENO, ZMQ_POLLIN, 0}};
    zmq::poll(items, 2, std::chrono::milliseconds(-1));
    if (items[1].revents != 0) return 0;
    zmq::message_t client, queries;
    (void)socket.recv(client);
    (void)socket.recv(queries);
    std::vector<float> values(queries.size() / sizeof(float));
    std::memcpy(values.data(), queries.data(), values.size() * sizeof(float));
    const FoundDocuments found = index.find(values, BlogData::kDocuments);
    socket.send(client, zmq::send_flags::sndmore);
    socket.send(zmq::buffer(found.ids.data(), found.ids.size() * sizeof(std::int64_t)),
                zmq::send_flags::sndmore);
    socket.send(zmq::buffer(found.vectors.data(), found.vectors.size() * sizeof(float)),
                zmq::send_flags::none);
  }
}

}  // namespace rookery::launch
