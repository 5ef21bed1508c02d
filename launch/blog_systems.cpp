#include "launch/blog_systems.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "launch/detail/blog_services.hpp"

namespace rookery::launch {

const std::vector<BlogSystem>& blog_systems() {
  using Design = BlogSystem::Design;
  static const std::vector<BlogSystem> systems = {
      {"torch", "torch.distributed (Python, faiss-cpu)", Design::kTorch, "faiss", false},
      {"torch-best", "torch.distributed, at its best", Design::kTorch, "faiss", true},
      {"rank0", "rank 0 over Gloo (C++, faiss)", Design::kRank0, "faiss", false},
      {"rank0-best", "rank 0 over Gloo, at its best", Design::kRank0, "faiss", true},
      {"rank0-kernel", "rank 0 over Gloo, our kernel", Design::kRank0, "rookery", true},
      {"ray", "Ray (Python, faiss-cpu)", Design::kRay, "faiss", false},
      {"ray-best", "Ray, at its best", Design::kRay, "faiss", true},
      {"ray-policy", "Ray's policy on ZeroMQ (C++, faiss)", Design::kRayPolicy, "faiss", false},
      {"ray-policy-best", "Ray's policy, at its best", Design::kRayPolicy, "faiss", true},
      {"ray-policy-kernel", "Ray's policy, our kernel", Design::kRayPolicy, "rookery", true},
      {"pool", "Rookery, replicas, exact", Design::kPool, "exact", false},
      {"pool-int8", "Rookery, replicas, exact through int8", Design::kPool, "int8", false},
      {"pool-hnsw", "Rookery, replicas, HNSW", Design::kPool, "hnsw", false},
      {"pool-shards", "Rookery, 2 shards × replicas, exact", Design::kPoolShards, "exact", false},
      {"pool-shards-int8", "Rookery, 2 shards × replicas, int8", Design::kPoolShards, "int8",
       false},
  };
  return systems;
}

const BlogSystem& blog_system(const std::string& name) {
  std::string names;
  for (const BlogSystem& system : blog_systems()) {
    if (system.name == name) return system;
    names += (names.empty() ? "" : ", ") + system.name;
  }
  throw base::UserError("--systems: expected names among " + names + ", got '" + name + "'");
}

int blog_threads(const BlogSystem& system, const BlogServiceOptions& options) {
  if (!system.has_actors()) return options.threads;
  return options.actors * std::max(1, options.threads / options.actors);
}

std::unique_ptr<BlogService> start_blog_service(const BlogSystem& system,
                                                const BlogServiceOptions& options) {
  switch (system.design) {
    case BlogSystem::Design::kRank0:
    case BlogSystem::Design::kTorch:
      return detail::make_rank0_service(system, options);
    case BlogSystem::Design::kRayPolicy:
      return detail::make_ray_policy_service(system, options);
    case BlogSystem::Design::kRay:
      return detail::make_ray_service(system, options);
    case BlogSystem::Design::kPool:
    case BlogSystem::Design::kPoolShards:
      break;
  }
  return detail::make_pool_service(system, options);
}

}  // namespace rookery::launch
