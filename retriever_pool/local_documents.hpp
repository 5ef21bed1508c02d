#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "index_tools/snapshot.hpp"
#include "retriever_pool/documents.hpp"
#include "retriever_pool/retriever.hpp"

namespace rookery::retriever_pool {

/// All shards of one generation, mapped. Immutable.
class LocalSnapshot {
 public:
  explicit LocalSnapshot(std::vector<std::shared_ptr<const index_tools::SnapshotShard>> shards)
      : shards_(std::move(shards)) {}
  /// Adds the fields to every document, with the bytes that a node would send. False, with the
  /// answer in any state, when a document is in no shard. Throws as `make_document`.
  [[nodiscard]] bool fill(RetrievalAnswer& answer, const DocumentFields& fields) const;

 private:
  std::vector<std::shared_ptr<const index_tools::SnapshotShard>> shards_;
};

/// The host's name as nodes report it.
std::string this_host();

/// Where a generation is said to lie; without a folder it is not on this host.
struct LocalSource {
  std::string folder, generation;
  std::string files_digest;  ///< as in `IndexDescription`
};

/// Opens and checks all of it. Throws `UserError` when it is missing, damaged or not the generation
/// with that digest. `closing` is asked between shards; true: gives up with null.
std::shared_ptr<const LocalSnapshot> open_local_snapshot(const LocalSource& source,
                                                         const std::function<bool()>& closing);

/// Snapshots on this host that a client takes passages and vectors from. They are opened and
/// checked, every block, by a thread of its own, after a few calls have asked for them; a folder
/// that is missing, damaged or holds anything else than what nodes serve is left alone. The last
/// two generations are kept. Thread-safe.
class LocalDocuments {
 public:
  LocalDocuments() = default;
  ~LocalDocuments();  ///< Waits for the shard that is being checked.
  LocalDocuments(const LocalDocuments&) = delete;
  LocalDocuments& operator=(const LocalDocuments&) = delete;

  /// The snapshot once it is open; null until then, and for ever where it cannot be used. Returns
  /// at once.
  [[nodiscard]] std::shared_ptr<const LocalSnapshot> find(const LocalSource& source);

 private:
  struct State {
    std::int32_t calls = 0;
    bool started = false;
    std::uint64_t used = 0;
    std::shared_ptr<const LocalSnapshot> snapshot;
  };
  void run();
  [[nodiscard]] std::shared_ptr<const LocalSnapshot> open(const LocalSource& source);
  void forget_old();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::map<std::string, State> states_;  // by generation
  std::optional<LocalSource> wanted_;
  std::uint64_t uses_ = 0;
  bool closing_ = false;
  std::thread thread_;
};

}  // namespace rookery::retriever_pool
