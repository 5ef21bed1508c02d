#include "actors/head_connector.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "actors/colony_folder.hpp"
#include "actors/detail/control_port.hpp"
#include "actors/detail/system.hpp"
#include "actors/registry.hpp"
#include "base/error.hpp"
#include "base/log.hpp"

namespace rookery::actors {

namespace {

constexpr int kProbeMs = 1'000;
constexpr auto kHandshakeTimeout = std::chrono::seconds(2);
constexpr auto kAnswerTimeout = std::chrono::seconds(1);
constexpr auto kPauseFirst = std::chrono::milliseconds(50);
constexpr auto kPauseMax = std::chrono::milliseconds(500);

/// Does anybody listen there? Empty, or why not.
std::string probe(const detail::HostPort& target) {
  addrinfo hints{};
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int code =
          getaddrinfo(target.host.c_str(), std::to_string(target.port).c_str(), &hints, &found);
      code != 0) {
    return gai_strerror(code);
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> addresses(found, &freeaddrinfo);
  const int descriptor =
      socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, found->ai_protocol);
  if (descriptor < 0) return std::strerror(errno);
  int error = connect(descriptor, found->ai_addr, found->ai_addrlen) == 0 ? 0 : errno;
  if (error == EINPROGRESS) {
    pollfd entry{descriptor, POLLOUT, 0};
    if (poll(&entry, 1, kProbeMs) <= 0) {
      error = ETIMEDOUT;
    } else {
      socklen_t bytes = sizeof error;
      getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &bytes);
    }
  }
  close(descriptor);
  return error == 0 ? "" : std::strerror(error);
}

}  // namespace

std::optional<HeadContact> connect_to_head(caf::actor_system& system, const std::string& address,
                                           std::string& why) {
  const auto target = detail::parse_host_port(address, "head");
  why = probe(target);
  if (!why.empty()) return std::nullopt;
  std::optional<HeadContact> contact;
  const caf::scoped_actor self(system);
  caf::strong_actor_ptr registry;
  const std::string hint =
      system.has_openssl_manager()
          ? "; does it have keys, and of the same authority as ours?"
          : "; if it has keys, give --keys DIR (a copy of its key folder without ca.key)";
  self->request(detail::control_connector(system), kHandshakeTimeout, caf::connect_atom_v,
                target.host, target.port)
      .receive([&](const caf::node_id&, const caf::strong_actor_ptr& actor,
                   const std::set<std::string>&) { registry = actor; },
               [&](const caf::error& error) {
                 why = "the port is open, but no Rookery head of this version answers (" +
                       caf::to_string(error) + ")" + hint;
               });
  if (!registry) {
    if (why.empty()) why = "the port is open, but it is no Rookery head's control port";
    return std::nullopt;
  }
  self->request(caf::actor_cast<Registry>(registry), kAnswerTimeout, probe_atom_v)
      .receive(
          [&](const Welcome& welcome) {
            contact = HeadContact{registry, welcome};
          },
          [&](const caf::error& error) {
            why = "the head took the connection, but not the first question (" +
                  caf::to_string(error) + ")";
          });
  if (contact && contact->welcome.wire != kWireVersion) {
    why = "the head speaks control protocol " + std::to_string(contact->welcome.wire) +
          ", this program " + std::to_string(kWireVersion) + "; run the same Rookery everywhere";
    contact.reset();
  }
  return contact;
}

struct HeadConnector::Impl {
  Impl(caf::actor_system& actor_system, HeadAddress head_address,
       std::function<void(const HeadContact&)> on_found)
      : system(actor_system),
        address(std::move(head_address)),
        found(std::move(on_found)),
        thread([this] { run(); }) {}

  ~Impl() {
    {
      const std::lock_guard lock(mutex);
      stopping = true;
    }
    changed.notify_all();
    thread.join();
  }

  void run() {
    std::unique_lock lock(mutex);
    auto pause = kPauseFirst;
    std::string reported;
    while (!stopping) {
      if (!seeking) {
        changed.wait(lock, [this] { return stopping || seeking; });
        pause = kPauseFirst;
        continue;
      }
      lock.unlock();
      std::string why = "nobody knows where the head is";
      std::optional<HeadContact> contact;
      if (const auto place = address()) contact = connect_to_head(system, *place, why);
      if (!contact && why != reported) {
        base::logger("actors")->info("looking for the head: {}", why);
        reported = why;
      }
      lock.lock();
      if (contact && !stopping) {
        seeking = false;
        reported.clear();
        lock.unlock();
        found(*contact);
        lock.lock();
        continue;
      }
      changed.wait_for(lock, pause, [this] { return stopping; });
      pause = std::min(pause * 2, kPauseMax);
    }
  }

  caf::actor_system& system;
  HeadAddress address;
  std::function<void(const HeadContact&)> found;
  std::mutex mutex;
  std::condition_variable changed;
  bool seeking = false, stopping = false;
  std::thread thread;
};

HeadConnector::HeadConnector(caf::actor_system& system, HeadAddress address,
                             std::function<void(const HeadContact&)> found)
    : impl_(std::make_unique<Impl>(system, std::move(address), std::move(found))) {}
HeadConnector::~HeadConnector() = default;

void HeadConnector::seek() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->seeking = true;
  }
  impl_->changed.notify_all();
}

HeadAddress head_address(const std::string& colony, const std::string& given) {
  return [colony, given]() -> std::optional<std::string> {
    if (!colony.empty()) {
      // Not checked for life: a head on this host that has died is found out by connecting.
      if (const auto record = ColonyFolder(colony).head()) return record->control;
    }
    if (!given.empty()) return given;
    return std::nullopt;
  };
}

HeadContact find_head(caf::actor_system& system, const HeadAddress& address,
                      std::chrono::milliseconds timeout) {
  const auto end = std::chrono::steady_clock::now() + timeout;
  std::string why = "nobody knows where it is";
  std::string where = "the head";
  for (;;) {
    if (const auto place = address()) {
      where = *place;
      if (auto contact = connect_to_head(system, *place, why)) return *contact;
    }
    if (std::chrono::steady_clock::now() >= end) {
      throw base::UserError("head: expected a Rookery head at " + where + " within " +
                            std::to_string(timeout.count()) + " ms, got: " + why +
                            "; is it up? start it with: rookery up CONFIG");
    }
    std::this_thread::sleep_for(kPauseFirst);
  }
}

}  // namespace rookery::actors
