#include <sys/socket.h>

#include <caf/io/basp_broker.hpp>
#include <caf/io/middleman.hpp>
#include <caf/io/network/default_multiplexer.hpp>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "actors/detail/control_broker.hpp"
#include "base/log.hpp"
#include "base/tls_errors.hpp"

namespace rookery::actors::detail {
namespace {

using Clock = std::chrono::steady_clock;

/// The part of CAF's I/O module that reads control messages, with an eye on strangers: connections
/// that were accepted and have not finished their handshake. Lives in the module's thread.
class ControlBroker : public caf::io::basp_broker {
 public:
  explicit ControlBroker(caf::actor_config& config) : basp_broker(config) {}

 protected:
  caf::behavior make_behavior() override;

 private:
  struct Stranger {
    caf::io::connection_handle connection;
    Clock::time_point since;
  };
  /// CAF's own handling of the message that is being handled.
  void pass_on() {
    (void)caf_(current_mailbox_element()->payload);
    // CAF leaves what OpenSSL says about a broken session where the next one finds it: a stranger
    // that hung up would end the connections of the colony.
    base::forget_tls_errors();
  }
  void came(caf::io::connection_handle connection);
  void check_claim(caf::io::connection_handle connection);
  void look();
  void let_go(caf::io::connection_handle connection, const std::string& why);
  void forget(caf::io::connection_handle connection) {
    std::erase_if(strangers_,
                  [&](const Stranger& stranger) { return stranger.connection == connection; });
  }
  [[nodiscard]] bool known(caf::io::connection_handle connection) {
    return static_cast<bool>(instance.tbl().lookup_direct(connection));
  }

  ControlLimits limits_;
  caf::behavior caf_;
  std::vector<Stranger> strangers_;  ///< oldest first
};

class ControlMiddleman : public caf::io::middleman {
 public:
  ControlMiddleman(caf::actor_system& system, const ControlLimits& limits)
      : middleman(system), limits_(limits), backend_(&system) {}
  void start() override {
    base::forget_tls_errors_of_ended_sessions();
    named_broker<ControlBroker>("BASP");  // what CAF finds under this name it takes for its own
    middleman::start();
  }
  caf::io::network::multiplexer& backend() override { return backend_; }
  [[nodiscard]] const ControlLimits& limits() const { return limits_; }

 private:
  ControlLimits limits_;
  caf::io::network::default_multiplexer backend_;
};

caf::behavior ControlBroker::make_behavior() {
  limits_ = dynamic_cast<ControlMiddleman&>(parent()).limits();
  caf_ = basp_broker::make_behavior();
  delayed_send(this, limits_.handshake / 8, caf::tick_atom_v);
  return caf::message_handler{[this](const caf::io::new_connection_msg& message) {
                                pass_on();
                                came(message.handle);
                              },
                              [this](const caf::io::new_data_msg& message) {
                                const auto connection = message.handle;
                                pass_on();
                                check_claim(connection);
                              },
                              [this](const caf::io::connection_closed_msg& message) {
                                // Its number may be another one's from now on.
                                forget(message.handle);
                                pass_on();
                              },
                              [this](caf::tick_atom) {
                                look();
                                delayed_send(this, limits_.handshake / 8, caf::tick_atom_v);
                              }}
      .or_else(caf_);
}

void ControlBroker::came(caf::io::connection_handle connection) {
  forget(connection);
  strangers_.push_back({connection, Clock::now()});
  if (strangers_.size() <= limits_.strangers_max) return;
  look();  // some may be known by now
  if (strangers_.size() > limits_.strangers_max) {
    let_go(strangers_.front().connection, "too many connections without a handshake");
  }
}

void ControlBroker::check_claim(caf::io::connection_handle connection) {
  const auto place = ctx.find(connection);
  if (place == ctx.end() || place->second.cstate != caf::io::basp::await_payload) return;
  const auto bytes = place->second.hdr.payload_len;
  const auto most = known(connection) ? limits_.peer_bytes_max : limits_.stranger_bytes_max;
  if (bytes <= most) return;
  // Memory is set aside when this message has been handled: for one more header only.
  configure_read(connection, caf::io::receive_policy::exactly(caf::io::basp::header_size));
  let_go(connection, "a message of " + std::to_string(bytes) + " bytes was announced, at most " +
                         std::to_string(most) + " are taken");
}

void ControlBroker::look() {
  const auto now = Clock::now();
  std::vector<caf::io::connection_handle> late;
  std::erase_if(strangers_, [&](const Stranger& stranger) {
    if (!valid(stranger.connection) || known(stranger.connection)) return true;
    if (now - stranger.since >= limits_.handshake) late.push_back(stranger.connection);
    return false;
  });
  for (const auto& connection : late) let_go(connection, "no handshake in time");
}

void ControlBroker::let_go(caf::io::connection_handle connection, const std::string& why) {
  base::logger("actors")->debug("control port: connection {} is closed: {}", connection.id(), why);
  forget(connection);
  // CAF would say goodbye and wait for an answer; a handle's number is its descriptor.
  if (valid(connection)) ::shutdown(static_cast<int>(connection.id()), SHUT_RDWR);
}

}  // namespace

caf::actor_system::module* make_control_middleman(caf::actor_system& system,
                                                  const ControlLimits& limits) {
  return new ControlMiddleman(system, limits);
}

}  // namespace rookery::actors::detail
