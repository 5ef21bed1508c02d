#include "launch/detail/blog_services.hpp"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <thread>

#include "base/atomic_file.hpp"
#include "base/error.hpp"
#include "base/free_port.hpp"
#include "base/subprocess.hpp"
#include "launch/rival.hpp"

namespace rookery::launch::detail {
namespace {

using namespace std::chrono_literals;
using Json = nlohmann::json;

constexpr auto kStartTime = 180s;  // Ray on a busy machine
constexpr auto kRayEnd = 30s;      // killed early, Ray would leave its daemons behind

std::string program(const char* name) {
  const auto path = base::executable_folder() / name;
  if (!std::filesystem::exists(path)) {
    throw base::UserError(std::string(name) +
                          " is not there; configure with -DROOKERY_TORCH=ON and build it");
  }
  return path.string();
}

/// Waits for all; gives the words behind "ready".
std::vector<std::string> wait_for(std::vector<LineProcess>& processes) {
  std::vector<std::string> words;
  for (LineProcess& process : processes) {
    const auto ready = process.wait_ready(kStartTime);
    if (!ready) throw base::UserError(process.name() + " did not start");
    words.push_back(*ready);
  }
  return words;
}

LineProcess python(const std::string& script, const std::vector<std::string>& arguments,
                   int threads, const std::map<std::string, std::string>& environment,
                   std::chrono::milliseconds grace = 500ms) {
  auto process = start_rival(script, arguments, threads, environment, grace);
  if (!process) throw base::UserError("not installed; run: launch/setup --peers");
  return std::move(*process);
}

/// What every trainer is told.
std::vector<std::string> trainer_arguments(const BlogData& data, int rank, int ranks) {
  return {"--queries", data.queries().string(), "--rank",  std::to_string(rank),
          "--ranks",   std::to_string(ranks),   "--batch", std::to_string(BlogData::kBatch)};
}

class Rank0Service final : public BlogService {
 public:
  Rank0Service(BlogSystem system, const BlogServiceOptions& options)
      : system_(std::move(system)), options_(options) {}

  std::vector<LineProcess> trainers(int count) override {
    const std::string port = std::to_string(base::free_port());
    std::vector<LineProcess> ranks;
    for (int rank = 0; rank < count; ++rank) {
      const int threads = rank == 0 ? options_.threads : 1;
      std::map<std::string, std::string> environment = {{"RANK", std::to_string(rank)},
                                                        {"WORLD_SIZE", std::to_string(count)},
                                                        {"MASTER_ADDR", "127.0.0.1"},
                                                        {"MASTER_PORT", port},
                                                        {"GLOO_SOCKET_IFNAME", "lo"}};
      if (system_.design == BlogSystem::Design::kTorch) {
        ranks.push_back(
            python("blog_torch",
                   {options_.data->folder().string(), std::to_string(BlogData::kBatch),
                    std::to_string(BlogData::kDocuments), system_.best ? "best" : "default"},
                   threads, environment));
        continue;
      }
      environment["OMP_NUM_THREADS"] = std::to_string(threads);
      LineProcessOptions process;
      process.name = system_.name;
      process.environment = environment;
      process.command = {program("rookery-torch"),
                         "bench-rank0",
                         "--snapshot",
                         options_.data->snapshot(1).string(),
                         "--queries",
                         options_.data->queries().string(),
                         "--kernel",
                         system_.search,
                         "--threads",
                         std::to_string(threads),
                         "--batch",
                         std::to_string(BlogData::kBatch)};
      if (system_.best) process.command.emplace_back("--tune");
      ranks.emplace_back(process);
    }
    wait_for(ranks);
    return ranks;
  }
  [[nodiscard]] std::vector<pid_t> retrieval_processes() const override { return {}; }

 private:
  BlogSystem system_;
  BlogServiceOptions options_;
};

/// Trainers that are `rookery bench blog-trainer` with something behind it.
std::vector<LineProcess> own_trainers(const BlogSystem& system, const BlogServiceOptions& options,
                                      int count, const std::vector<std::string>& arguments) {
  std::vector<LineProcess> ranks;
  for (int rank = 0; rank < count; ++rank) {
    LineProcessOptions process;
    process.name = system.name;
    process.command = {program("rookery"), "bench", "blog-trainer"};
    for (const auto& words : {trainer_arguments(*options.data, rank, count), arguments}) {
      process.command.insert(process.command.end(), words.begin(), words.end());
    }
    process.command.insert(process.command.end(),
                           {"--seed", std::to_string(options.seed + static_cast<unsigned>(rank))});
    ranks.emplace_back(process);
  }
  wait_for(ranks);
  return ranks;
}

class RayPolicyService final : public BlogService {
 public:
  RayPolicyService(BlogSystem system, const BlogServiceOptions& options)
      : system_(std::move(system)), options_(options) {
    for (int i = 0; i < options.actors; ++i) {
      LineProcessOptions process;
      process.name = system_.name;
      process.command = {program("rookery"),
                         "bench",
                         "blog-replica",
                         "--snapshot",
                         options.data->snapshot(1).string(),
                         "--queries",
                         options.data->queries().string(),
                         "--kernel",
                         system_.search,
                         "--threads",
                         std::to_string(blog_threads(system_, options) / options.actors)};
      if (system_.best) process.command.emplace_back("--tune");
      replicas_.emplace_back(process);
    }
    for (const std::string& endpoint : wait_for(replicas_)) {
      endpoints_ += (endpoints_.empty() ? "" : ",") + endpoint;
    }
  }

  std::vector<LineProcess> trainers(int count) override {
    return own_trainers(system_, options_, count, {"--replicas", endpoints_});
  }
  [[nodiscard]] std::vector<pid_t> retrieval_processes() const override {
    std::vector<pid_t> pids;
    for (const LineProcess& replica : replicas_) pids.push_back(replica.pid());
    return pids;
  }

 private:
  BlogSystem system_;
  BlogServiceOptions options_;
  std::vector<LineProcess> replicas_;
  std::string endpoints_;
};

class RayService final : public BlogService {
 public:
  RayService(BlogSystem system, const BlogServiceOptions& options)
      : system_(std::move(system)), options_(options) {
    const int threads = blog_threads(system_, options) / options.actors;
    head_.push_back(
        python("blog_ray_head",
               {options.data->folder().string(), std::to_string(options.actors),
                std::to_string(threads), std::to_string(BlogData::kBatch),
                std::to_string(BlogData::kDocuments), system_.best ? "best" : "default"},
               threads, environment(), kRayEnd));
    // "ready ADDRESS PID PID …"
    std::istringstream words(wait_for(head_).front());
    words >> address_;
    for (pid_t pid = 0; words >> pid;) actors_.push_back(pid);
  }

  std::vector<LineProcess> trainers(int count) override {
    std::vector<LineProcess> ranks;
    for (int rank = 0; rank < count; ++rank) {
      ranks.push_back(
          python("blog_ray",
                 {options_.data->folder().string(), address_, std::to_string(options_.actors),
                  std::to_string(rank), std::to_string(count), std::to_string(BlogData::kBatch),
                  std::to_string(options_.seed)},
                 1, environment(), kRayEnd));
    }
    wait_for(ranks);
    return ranks;
  }
  [[nodiscard]] std::vector<pid_t> retrieval_processes() const override { return actors_; }

 private:
  static std::map<std::string, std::string> environment() {
    return {{"RAY_AUTH_MODE", "disabled"}, {"RAY_USAGE_STATS_ENABLED", "0"}};
  }

  BlogSystem system_;
  BlogServiceOptions options_;
  std::vector<LineProcess> head_;
  std::string address_;
  std::vector<pid_t> actors_;
};

/// A real colony: head, agent and nodes, as `rookery up` starts them.
class PoolService final : public BlogService {
 public:
  PoolService(BlogSystem system, const BlogServiceOptions& options)
      : system_(std::move(system)), options_(options) {
    const int shards = system_.design == BlogSystem::Design::kPoolShards ? 2 : 1;
    const std::string name = "blog-" + std::to_string(::getpid());
    const auto status_file = options.scratch / "status.json";
    const auto config = options.scratch / "colony.yaml";
    std::filesystem::remove(status_file);
    base::write_file_atomically(
        config, "colony: " + name + "\nindex:\n  path: " + options.data->snapshot(shards).string() +
                    "\n  kind: " + system_.search + "\npool:\n  shards: " + std::to_string(shards) +
                    "\n  replicas: " + std::to_string(options.actors / shards) + "\n  threads: " +
                    std::to_string(blog_threads(system_, options) / options.actors) + "\n");
    base::SubprocessOptions up;
    up.command = {program("rookery"), "up",     config.string(),
                  "--foreground",     "--json", status_file.string()};
    up.environment = {{"ROOKERY_HOME", options.scratch.string()}};
    up.log = options.scratch / "up.log";
    up_.emplace(std::move(up));
    const auto deadline = std::chrono::steady_clock::now() + kStartTime;
    while (!std::filesystem::exists(status_file)) {
      if (up_->wait(5ms) || std::chrono::steady_clock::now() > deadline) {
        throw base::UserError(system_.name + ": the colony did not come up; see " +
                              (options.scratch / "up.log").string());
      }
    }
    const Json status = Json::parse(base::read_file(status_file));
    for (const Json& member : status.at("members")) {
      nodes_.push_back(member.at("pid").get<pid_t>());
    }
    head_ = Json::parse(base::read_file(options.scratch / "colonies" / name / "head.json"))
                .at("routing");
  }
  ~PoolService() override {
    up_->signal(SIGINT);
    if (!up_->wait(20s)) up_->signal(SIGKILL);
  }
  PoolService(const PoolService&) = delete;
  PoolService& operator=(const PoolService&) = delete;

  std::vector<LineProcess> trainers(int count) override {
    return own_trainers(system_, options_, count, {"--head", head_});
  }
  [[nodiscard]] std::vector<pid_t> retrieval_processes() const override { return nodes_; }

 private:
  BlogSystem system_;
  BlogServiceOptions options_;
  std::optional<base::Subprocess> up_;
  std::vector<pid_t> nodes_;
  std::string head_;
};

}  // namespace

std::unique_ptr<BlogService> make_rank0_service(const BlogSystem& system,
                                                const BlogServiceOptions& options) {
  return std::make_unique<Rank0Service>(system, options);
}

std::unique_ptr<BlogService> make_ray_policy_service(const BlogSystem& system,
                                                     const BlogServiceOptions& options) {
  return std::make_unique<RayPolicyService>(system, options);
}

std::unique_ptr<BlogService> make_ray_service(const BlogSystem& system,
                                              const BlogServiceOptions& options) {
  return std::make_unique<RayService>(system, options);
}

std::unique_ptr<BlogService> make_pool_service(const BlogSystem& system,
                                               const BlogServiceOptions& options) {
  return std::make_unique<PoolService>(system, options);
}

}  // namespace rookery::launch::detail
