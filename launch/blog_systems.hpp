#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "launch/blog_data.hpp"
#include "launch/line_process.hpp"

namespace rookery::launch {

/// One contestant of `rookery bench blog`: a design, a search kernel and settings.
struct BlogSystem {
  enum class Design {
    kRank0,       ///< gather to rank 0, search, scatter; C++ over libtorch's Gloo
    kRayPolicy,   ///< full copies, a random one per call, blocking; our transport
    kTorch,       ///< as kRank0 in Python over torch.distributed
    kRay,         ///< as kRayPolicy on real Ray
    kPool,        ///< a colony of replicas of one shard
    kPoolShards,  ///< a colony of two shards, each by half of the actors
  };
  std::string name;   ///< "rank0", "pool-int8", …
  std::string label;  ///< for people
  Design design = Design::kPool;
  std::string search;  ///< "faiss", "rookery"; of a pool: the index kind
  bool best = false;   ///< with the quickest settings of a small grid, else defaults

  [[nodiscard]] bool has_actors() const {
    return design != Design::kRank0 && design != Design::kTorch;
  }
  [[nodiscard]] bool is_pool() const {
    return design == Design::kPool || design == Design::kPoolShards;
  }
  /// Two shards need an even number of actors.
  [[nodiscard]] bool runs_with(int actors) const {
    return design != Design::kPoolShards || actors % 2 == 0;
  }
};

/// All of them, in the order of the table.
const std::vector<BlogSystem>& blog_systems();
/// Throws `UserError` that lists the names.
const BlogSystem& blog_system(const std::string& name);

/// The retrieval processes of one contestant, and the trainers that use them.
class BlogService {
 public:
  virtual ~BlogService() = default;
  /// Starts so many trainers and waits until they are ready. Throws `UserError` when they do not
  /// come.
  virtual std::vector<LineProcess> trainers(int count) = 0;
  /// Those whose memory counts and one of which dies in the failure rows. A rank-0 design has
  /// none: there rank 0 itself is the one.
  [[nodiscard]] virtual std::vector<pid_t> retrieval_processes() const = 0;
};

struct BlogServiceOptions {
  BlogData* data = nullptr;       ///< outlives the service
  int actors = 1;                 ///< retrieval processes
  int threads = 1;                ///< search threads of all of them together
  std::filesystem::path scratch;  ///< a folder for colonies
  std::uint64_t seed = 1;
};

/// Threads that all retrieval processes have together: every process has at least one.
int blog_threads(const BlogSystem& system, const BlogServiceOptions& options);

/// Starts the retrieval processes. Throws `UserError` when what it needs is not installed
/// (rookery-torch, the rivals' Python), saying how to get it.
std::unique_ptr<BlogService> start_blog_service(const BlogSystem& system,
                                                const BlogServiceOptions& options);

}  // namespace rookery::launch
