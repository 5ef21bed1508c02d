#include "retriever_pool/detail/head_link.hpp"

#include "base/log.hpp"
#include "retriever_pool/detail/sockets.hpp"
#include "retriever_pool/wire_bodies.hpp"

namespace rookery::retriever_pool::detail {
namespace {

constexpr std::chrono::seconds kLongPoll{10};
constexpr std::chrono::milliseconds kLate{1000};  // an answer overdue by so much will not come
constexpr std::chrono::milliseconds kAfterError{500};

}  // namespace

std::optional<RoutingView> HeadLink::step(Time now) {
  std::optional<RoutingView> news;
  receive(now, news);
  while (const auto change = link_.next_change()) {
    connected_ = *change == Link::Change::kConnected;
    asked_ = false;
    next_ = now;
  }
  if (connected_ && (!asked_ || now >= next_) && now >= next_) ask(now);
  if (!connected_) next_ = now + kLongPoll;  // the monitor wakes us
  return news;
}

void HeadLink::receive(Time now, std::optional<RoutingView>& news) {
  while (true) {
    const auto frames = link_.receive();
    if (frames.empty()) return;
    asked_ = false;
    next_ = now;
    try {
      if (frames.size() != 2) throw std::invalid_argument("expected two frames");
      const wire::Header header = wire::decode_header(bytes_of(frames[0]));
      wire::check_body(header, bytes_of(frames[1]));
      if (header.type != wire::Type::kViewAnswer) throw std::invalid_argument("not a view");
      if (frames[1].empty()) continue;  // nothing newer
      RoutingView view = RoutingView::from_json(frames[1].to_string());
      if (std::pair{view.term, view.epoch} <= std::pair{term_, epoch_}) continue;
      term_ = view.term;
      epoch_ = view.epoch;
      news = std::move(view);
    } catch (const std::exception& error) {
      base::logger("retriever_pool")
          ->warn("{}: no routing view: {}", link_.endpoint(), error.what());
      next_ = now + kAfterError;
    }
  }
}

void HeadLink::ask(Time now) {
  const std::string body = wire::encode_view_request({term_, epoch_});
  wire::Header header;
  header.type = wire::Type::kViewRequest;
  header.request = {0, ++serial_};
  header.remaining_us = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(kLongPoll).count());
  asked_ = link_.send(wire::encode_header(header, bytes_of(body)), body);
  next_ = now + (asked_ ? kLongPoll + kLate : kAfterError);
}

}  // namespace rookery::retriever_pool::detail
