#include "base/thread_team.hpp"

#include <sched.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace rookery::base {

namespace {

/// How long a thread looks for work before it sleeps: a wake-up by the kernel costs 5 to 50 µs, and
/// a forward pass hands out hundreds of jobs with few microseconds between them.
constexpr std::chrono::microseconds kSpin{40};

void relax() {
#if defined(__x86_64__)
  _mm_pause();
#else
  std::this_thread::yield();
#endif
}

/// True as soon as `ready()`; false when it was not within `kSpin`.
template <typename Ready>
bool spin_until(const Ready& ready) {
  const auto deadline = std::chrono::steady_clock::now() + kSpin;
  do {
    for (int i = 0; i < 32; ++i) {
      if (ready()) return true;
      relax();
    }
  } while (std::chrono::steady_clock::now() < deadline);
  return ready();
}

}  // namespace

/// One job is published by a new value of `ticket`: the job's number in the upper half, the parts
/// that nobody has claimed in the lower. Parts are claimed by compare-and-swap on the whole, and of
/// a job that is over none is left, so a thread that comes late can claim nothing by mistake, and
/// nobody has to wait for threads that took no part.
struct ThreadTeam::Impl {
  alignas(64) std::atomic<std::uint64_t> ticket{0};
  alignas(64) std::atomic<std::uint32_t> job{0};  // what sleeping threads wait on
  alignas(64) std::atomic<int> unfinished{0};     // parts of this job; the caller waits on it
  // Written while no part is unfinished, read by who has claimed one: so they are of its job. What
  // is read before the claim may be the next job's already.
  std::atomic<const std::function<void(int)>*> part{nullptr};
  std::atomic<int> parts{0};
  std::atomic<bool> failed{false};
  std::exception_ptr failure;
  std::atomic<bool> stop{false};
  bool spins = true;
  std::vector<std::thread> threads;

  void work_on(std::uint32_t number) {
    auto seen = ticket.load(std::memory_order_acquire);
    while (static_cast<std::uint32_t>(seen >> 32) == number) {
      const auto unclaimed = static_cast<int>(seen & 0xFFFFFFFF);
      if (unclaimed == 0) return;
      if (!ticket.compare_exchange_weak(seen, seen - 1, std::memory_order_acq_rel,
                                        std::memory_order_acquire)) {
        continue;
      }
      const auto* function = part.load(std::memory_order_relaxed);
      try {
        (*function)(parts.load(std::memory_order_relaxed) - unclaimed);
      } catch (...) {
        if (!failed.exchange(true)) failure = std::current_exception();
      }
      if (unfinished.fetch_sub(1, std::memory_order_acq_rel) == 1) unfinished.notify_one();
      seen = ticket.load(std::memory_order_acquire);
    }
  }

  void serve() {
    std::uint32_t seen = 0;
    for (;;) {
      const auto changed = [&] { return job.load(std::memory_order_acquire) != seen; };
      if (!spins || !spin_until(changed)) job.wait(seen, std::memory_order_acquire);
      seen = job.load(std::memory_order_acquire);
      if (stop.load(std::memory_order_acquire)) return;
      work_on(seen);
    }
  }

  void announce(std::uint32_t number) {
    job.store(number, std::memory_order_seq_cst);
    job.notify_all();
  }

  void shut_down() {
    stop.store(true, std::memory_order_release);
    announce(job.load() + 1);
    for (auto& thread : threads) thread.join();
  }
};

ThreadTeam::ThreadTeam(int threads) : impl_(std::make_unique<Impl>()) {
  if (threads < 1 || threads > 1024) {
    throw std::invalid_argument("ThreadTeam: expected 1 to 1024 threads, got " +
                                std::to_string(threads));
  }
  // With fewer cores than threads, a spinning thread would hold the core of one that works.
  impl_->spins = threads <= usable_cores();
  impl_->threads.reserve(static_cast<std::size_t>(threads - 1));
  try {
    for (int i = 1; i < threads; ++i) impl_->threads.emplace_back([this] { impl_->serve(); });
  } catch (...) {
    impl_->shut_down();
    throw;
  }
}

ThreadTeam::~ThreadTeam() { impl_->shut_down(); }

int ThreadTeam::size() const { return static_cast<int>(impl_->threads.size()) + 1; }

void ThreadTeam::run(int parts, const std::function<void(int)>& part) {
  if (parts <= 0) return;
  auto& team = *impl_;
  if (team.threads.empty() || parts == 1) {
    // The same promise as with threads: the other parts end before an exception leaves.
    std::exception_ptr failure;
    for (int i = 0; i < parts; ++i) {
      try {
        part(i);
      } catch (...) {
        if (!failure) failure = std::current_exception();
      }
    }
    if (failure) std::rethrow_exception(failure);
    return;
  }
  team.part.store(&part, std::memory_order_relaxed);
  team.parts.store(parts, std::memory_order_relaxed);
  team.failed.store(false, std::memory_order_relaxed);
  team.unfinished.store(parts, std::memory_order_relaxed);
  const std::uint32_t number = team.job.load(std::memory_order_relaxed) + 1;
  team.ticket.store(std::uint64_t{number} << 32 | static_cast<std::uint64_t>(parts),
                    std::memory_order_release);
  team.announce(number);
  team.work_on(number);
  const auto done = [&] { return team.unfinished.load(std::memory_order_acquire) == 0; };
  if (!team.spins || !spin_until(done)) {
    for (;;) {
      const int left = team.unfinished.load(std::memory_order_acquire);
      if (left == 0) break;
      team.unfinished.wait(left, std::memory_order_acquire);
    }
  }
  if (team.failed.load(std::memory_order_relaxed)) {
    std::rethrow_exception(std::exchange(team.failure, nullptr));
  }
}

int usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  // More than 1024 cores do not fit the set: then the mask is not worth a guess.
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace rookery::base
