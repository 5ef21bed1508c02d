#pragma once

#include <memory>

#include "launch/blog_systems.hpp"

namespace rookery::launch::detail {

/// `BlogService`s by design; see `start_blog_service`.
std::unique_ptr<BlogService> make_rank0_service(const BlogSystem& system,
                                                const BlogServiceOptions& options);
std::unique_ptr<BlogService> make_ray_policy_service(const BlogSystem& system,
                                                     const BlogServiceOptions& options);
std::unique_ptr<BlogService> make_ray_service(const BlogSystem& system,
                                              const BlogServiceOptions& options);
std::unique_ptr<BlogService> make_pool_service(const BlogSystem& system,
                                               const BlogServiceOptions& options);

}  // namespace rookery::launch::detail
