#include "actors/pool_options.hpp"

#include <arpa/inet.h>

#include <string>

namespace rookery::actors {

namespace {

/// The four bytes of an IPv4 address in host order.
std::optional<std::uint32_t> parse_ipv4(const std::string& text) {
  in_addr address{};
  if (inet_pton(AF_INET, text.c_str(), &address) != 1) return std::nullopt;
  return ntohl(address.s_addr);
}

AutoscaleOptions read_autoscale(base::OptionReader reader) {
  AutoscaleOptions options;
  reader.read("replicas_min", options.replicas_min, 1, 64);
  reader.read("replicas_max", options.replicas_max, 0, 64);
  reader.read("queue_wait_ms", options.queue_wait, 1, 600'000);
  reader.read("up_after_ms", options.up_after, 0, 86'400'000);
  reader.read("down_after_ms", options.down_after, 0, 86'400'000);
  if (options.enabled() && options.replicas_min > options.replicas_max) {
    reader.fail("replicas_max",
                "0 (off) or at least replicas_min, " + std::to_string(options.replicas_min),
                "'" + std::to_string(options.replicas_max) + "'");
  }
  reader.finish();
  return options;
}

std::array<double, retriever_pool::kPriorities> read_priority_shares(
    base::OptionReader reader, std::array<double, retriever_pool::kPriorities> shares) {
  reader.read("verification", shares[0], 0.001, 1);
  reader.read("training", shares[1], 0.001, 1);
  reader.read("prefetch", shares[2], 0.001, 1);
  reader.finish();
  return shares;
}

}  // namespace

bool is_loopback(const std::string& address) {
  const auto bytes = parse_ipv4(address);
  return bytes && (*bytes >> 24) == 127;
}

PoolOptions PoolOptions::from_options(base::OptionReader reader) {
  PoolOptions options;
  reader.read("shards", options.shards, 1, 1024);
  reader.read("replicas", options.replicas, 1, 64);
  reader.read("listen", options.listen);
  reader.read("keys", options.keys);
  reader.read("insecure", options.insecure);
  reader.read("control_port", options.control_port, 0, 65535);
  reader.read("routing_port", options.routing_port, 0, 65535);
  reader.read("http_port", options.http_port, 0, 65535);
  reader.read("deadline_ms", options.deadline, 1, 600'000);
  reader.read("threads", options.threads, 0, 256);
  reader.read("queue_requests_max", options.queue_requests_max, 1, 1 << 20);
  reader.read("queue_bytes_max", options.queue_bytes_max, std::int64_t{1} << 16,
              std::int64_t{1} << 40);
  reader.read("batch_queries_max", options.batch_queries_max, 1, 4096);
  reader.read("batch_window_us", options.batch_window_us, 0, 1'000'000);
  options.priority_shares =
      read_priority_shares(reader.section("priority_shares"), options.priority_shares);
  options.autoscale = read_autoscale(reader.section("autoscale"));
  options.client = retriever_pool::ClientSettings::from_options(reader.section("client"));
  if (!parse_ipv4(options.listen)) {
    reader.fail("listen", "an IPv4 address such as 127.0.0.1", "'" + options.listen + "'");
  }
  if (!is_loopback(options.listen) && !options.insecure && options.keys.empty()) {
    reader.fail(
        "listen",
        "an address in 127.0.0.0/8, because the ports have no keys (who reaches them controls "
        "the colony); make keys with rookery keys new DIR and set pool.keys: DIR, or, in a "
        "network you trust, pool.insecure: true",
        "'" + options.listen + "'");
  }
  reader.finish();
  return options;
}

}  // namespace rookery::actors
