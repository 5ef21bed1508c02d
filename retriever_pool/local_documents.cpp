#include "retriever_pool/local_documents.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/error.hpp"
#include "base/log.hpp"
#include "retriever_pool/embedded_pool.hpp"

namespace rookery::retriever_pool {
namespace {

// A command that asks once or twice is done before a snapshot is checked.
constexpr std::int32_t kCallsBefore = 4;
constexpr std::size_t kGenerationsKept = 2;  // the live one, and one that a run is pinned to

}  // namespace

std::string this_host() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "localhost";
}

bool LocalSnapshot::fill(RetrievalAnswer& answer, const DocumentFields& fields) const {
  for (auto& row : answer.rows) {
    for (Document& document : row) {
      const auto filled = std::any_of(shards_.begin(), shards_.end(), [&](const auto& shard) {
        const auto place = shard->row_of(document.id);
        if (place) fill_document(*shard, *place, fields, document);
        return place.has_value();
      });
      if (!filled) return false;
    }
  }
  return true;
}

std::shared_ptr<const LocalSnapshot> open_local_snapshot(const LocalSource& source,
                                                         const std::function<bool()>& closing) {
  const index_tools::Manifest manifest = index_tools::load_manifest(source.folder);
  const IndexDescription index = describe_index(manifest);
  if (index.generation != source.generation || index.files_digest != source.files_digest) {
    throw base::UserError(source.folder + ": expected generation " + source.generation +
                          " with the files that the nodes serve, got other files of generation " +
                          index.generation);
  }
  std::vector<std::shared_ptr<const index_tools::SnapshotShard>> shards;
  for (const auto& shard : manifest.shards) {
    if (closing()) return nullptr;
    shards.push_back(index_tools::open_shard(source.folder, shard.shard));
  }
  return std::make_shared<const LocalSnapshot>(std::move(shards));
}

LocalDocuments::~LocalDocuments() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

std::shared_ptr<const LocalSnapshot> LocalDocuments::find(const LocalSource& source) {
  if (source.folder.empty() || source.files_digest.empty()) return nullptr;
  const std::lock_guard lock(mutex_);
  State& state = states_[source.generation];
  state.used = ++uses_;
  if (state.snapshot || state.started || ++state.calls < kCallsBefore || wanted_) {
    return state.snapshot;
  }
  state.started = true;
  wanted_ = source;
  forget_old();
  if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
  wake_.notify_all();
  return nullptr;
}

// Calls that still read from an old one hold it until they are done.
void LocalDocuments::forget_old() {
  while (states_.size() > kGenerationsKept) {
    states_.erase(std::min_element(
        states_.begin(), states_.end(),
        [](const auto& a, const auto& b) { return a.second.used < b.second.used; }));
  }
}

void LocalDocuments::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return closing_ || wanted_; });
    if (closing_) return;
    const LocalSource source = *wanted_;
    lock.unlock();
    auto snapshot = open(source);
    lock.lock();
    wanted_.reset();
    const auto found = states_.find(source.generation);
    if (found != states_.end()) found->second.snapshot = std::move(snapshot);
  }
}

std::shared_ptr<const LocalSnapshot> LocalDocuments::open(const LocalSource& source) {
  const auto logger = base::logger("retriever_pool");
  try {
    auto snapshot = open_local_snapshot(source, [this] {
      const std::lock_guard lock(mutex_);
      return closing_;
    });
    if (snapshot) logger->info("{}: documents are taken from it", source.folder);
    return snapshot;
  } catch (const std::exception& error) {
    logger->info("documents come from the nodes: {}", error.what());
    return nullptr;
  }
}

}  // namespace rookery::retriever_pool
