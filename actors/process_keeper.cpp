#include "actors/process_keeper.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "actors/detail/pidfd.hpp"
#include "actors/log_tail.hpp"
#include "actors/process_table.hpp"
#include "base/log.hpp"

namespace rookery::actors {

struct ProcessKeeper::Impl {
  using Clock = std::chrono::steady_clock;

  /// A process that runs. `descriptor` becomes readable when it ends.
  struct Running {
    base::Subprocess process;
    ProcessIdentity identity;
    std::string node;
    std::filesystem::path log;
    std::int64_t log_from = 0;
    int descriptor = -1;
    std::optional<TimePoint> kill_at;
  };

  explicit Impl(KeeperSetup keeper_setup)
      : setup(std::move(keeper_setup)),
        table(setup.agent, setup.policy),
        wake_descriptor(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
        thread([this] { run(); }) {}

  ~Impl() {
    {
      const std::lock_guard lock(mutex);
      pending = std::vector<NodeSpec>{};
      stopping = true;
    }
    wake();
    thread.join();
    close(wake_descriptor);
  }

  void wake() const {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = write(wake_descriptor, &one, sizeof one);
  }

  void run() {
    for (;;) {
      if (apply_assignment()) return;
      reap();
      start_due();
      wait();
    }
  }

  /// True when all is stopped and the thread may end.
  bool apply_assignment() {
    std::optional<std::vector<NodeSpec>> specs;
    bool last = false;
    {
      const std::lock_guard lock(mutex);
      specs = std::exchange(pending, std::nullopt);
      last = stopping;
    }
    if (specs) {
      std::vector<Slot> to_stop;
      {
        const std::lock_guard lock(mutex);
        to_stop = table.want(*specs, Clock::now());
      }
      slots = static_cast<std::int32_t>(specs->size());
      for (const auto& slot : to_stop) {
        auto& child = running.at(slot);
        child.process.signal(SIGTERM);
        child.kill_at = Clock::now() + setup.stop_grace;
      }
    }
    return last && running.empty();
  }

  void reap() {
    bool changed = false;
    for (auto place = running.begin(); place != running.end();) {
      auto& [slot, child] = *place;
      if (child.kill_at && *child.kill_at <= Clock::now()) {
        child.process.signal(SIGKILL);
        child.kill_at.reset();
      }
      const auto code = child.process.poll();
      if (!code) {
        ++place;
        continue;
      }
      const auto reason = *code == 0 ? std::string() : last_words(child.log, child.log_from);
      ended(slot, child.node, child.identity.pid, *code, reason);
      close(child.descriptor);
      place = running.erase(place);
      changed = true;
    }
    if (changed) tell_processes();
  }

  void ended(const Slot& slot, const std::string& node, pid_t pid, int code,
             const std::string& reason) {
    ProcessEvent event;
    {
      const std::lock_guard lock(mutex);
      event = table.ended(slot, code, reason, Clock::now());
    }
    base::logger("actors")->warn(
        "agent {}: {} (pid {}) ended with code {}{}{}; next start in {} ms{}", setup.agent, node,
        pid, code, reason.empty() ? "" : ": ", reason, event.retry_ms,
        event.crash_loop ? " (crash loop)" : "");
    setup.on_event(event);
  }

  void start_due() {
    std::vector<NodeSpec> specs;
    {
      const std::lock_guard lock(mutex);
      if (!stopping) specs = table.due(Clock::now());
    }
    for (const auto& spec : specs) start(spec);
    if (!specs.empty()) tell_processes();
  }

  void start(const NodeSpec& spec) {
    const Slot slot = slot_of(spec);
    auto options = setup.command(spec, std::max(slots, 1));
    const auto log = options.log;
    const auto log_from = log_bytes(log);
    ProcessEvent event;
    try {
      base::Subprocess process(std::move(options));
      const auto pid = process.pid();
      // The child is not reaped yet, so that its pid is still its own.
      const auto identity = ProcessIdentity::of(pid);
      running.insert_or_assign(slot, Running{std::move(process), identity, spec.node, log, log_from,
                                             detail::open_pidfd(pid), std::nullopt});
      const std::lock_guard lock(mutex);
      event = table.started(slot, pid, Clock::now());
    } catch (const std::exception& error) {
      {
        const std::lock_guard lock(mutex);
        table.started(slot, 0, Clock::now());
      }
      ended(slot, spec.node, 0, 127, error.what());
      return;
    }
    setup.on_event(event);
  }

  void tell_processes() {
    std::vector<ProcessIdentity> identities;
    for (const auto& [slot, child] : running) identities.push_back(child.identity);
    setup.on_processes(identities);
  }

  void wait() {
    std::vector<pollfd> entries{{wake_descriptor, POLLIN, 0}};
    auto until = Clock::now() + std::chrono::hours(1);
    for (const auto& [slot, child] : running) {
      if (child.descriptor >= 0) {
        entries.push_back({child.descriptor, POLLIN, 0});
      } else {
        until = std::min(until, Clock::now() + std::chrono::milliseconds(20));  // no pidfd: look
      }
      if (child.kill_at) until = std::min(until, *child.kill_at);
    }
    {
      const std::lock_guard lock(mutex);
      if (const auto due = table.next_due(); due && !stopping) until = std::min(until, *due);
      if (pending || (stopping && running.empty())) return;
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
    poll(entries.data(), entries.size(), static_cast<int>(std::max<std::int64_t>(left, 0)));
    std::uint64_t drained = 0;
    [[maybe_unused]] const auto bytes = read(wake_descriptor, &drained, sizeof drained);
  }

  KeeperSetup setup;
  mutable std::mutex mutex;  // guards table, pending, stopping
  ProcessTable table;
  std::optional<std::vector<NodeSpec>> pending;
  bool stopping = false;
  std::map<Slot, Running> running;  // of the thread
  std::int32_t slots = 0;           // of the thread
  int wake_descriptor;
  std::thread thread;
};

ProcessKeeper::ProcessKeeper(KeeperSetup setup) : impl_(std::make_unique<Impl>(std::move(setup))) {}
ProcessKeeper::~ProcessKeeper() = default;

void ProcessKeeper::assign(std::vector<NodeSpec> specs) {
  {
    const std::lock_guard lock(impl_->mutex);
    if (impl_->stopping) return;
    impl_->pending = std::move(specs);
  }
  impl_->wake();
}

std::vector<ProcessEvent> ProcessKeeper::events() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->table.events();
}

}  // namespace rookery::actors
