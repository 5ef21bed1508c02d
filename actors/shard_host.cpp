#include "actors/shard_host.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <future>
#include <mutex>
#include <thread>
#include <utility>

#include "index_tools/snapshot.hpp"

namespace rookery::actors {
namespace {

constexpr int kLoadingNice = 15;

using Shard = std::shared_ptr<const index_tools::SnapshotShard>;

/// All of a shard's bytes are read for their checksums: while others on this machine serve, with
/// what they leave of it. On a thread of its own, because the priority cannot be raised again and
/// goes over to the threads that a thread starts.
Shard load_quietly(const std::filesystem::path& snapshot, std::int32_t shard) {
  return std::async(std::launch::async,
                    [&]() -> Shard {
                      ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kLoadingNice);
                      return index_tools::open_shard(snapshot, shard);
                    })
      .get();
}

}  // namespace

struct ShardHost::Impl {
  Impl(ShardHostSetup host_setup, base::Metrics& process_metrics)
      : setup(std::move(host_setup)), metrics(process_metrics), thread([this] { run(); }) {}

  void run() {
    try {
      const Shard shard = load_quietly(setup.snapshot, setup.shard);
      setup.server.metric = index_tools::load_manifest(setup.snapshot).metric;
      auto fresh = std::make_unique<retriever_pool::QueryServer>(setup.server, shard,
                                                                 setup.generation, metrics);
      const auto endpoint = fresh->endpoint();
      {
        const std::lock_guard lock(mutex);
        server = std::move(fresh);
      }
      setup.on_ready(endpoint);
    } catch (const std::exception& error) {
      setup.on_failure(error.what());
    }
  }

  ShardHostSetup setup;
  base::Metrics& metrics;
  mutable std::mutex mutex;  // guards server
  std::unique_ptr<retriever_pool::QueryServer> server;
  std::thread thread;
};

ShardHost::ShardHost(ShardHostSetup setup, base::Metrics& metrics)
    : impl_(std::make_unique<Impl>(std::move(setup), metrics)) {}

ShardHost::~ShardHost() { impl_->thread.join(); }

retriever_pool::QueryServerLoad ShardHost::load() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->server ? impl_->server->load() : retriever_pool::QueryServerLoad{};
}

retriever_pool::SearchPulse ShardHost::pulse() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->server ? impl_->server->pulse() : retriever_pool::SearchPulse{};
}

void ShardHost::drain() {
  const std::lock_guard lock(impl_->mutex);
  if (impl_->server) impl_->server->drain();
}

}  // namespace rookery::actors
