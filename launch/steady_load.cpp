#include "launch/steady_load.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <mutex>
#include <thread>

namespace rookery::launch {

namespace {

using Clock = std::chrono::steady_clock;
using retriever_pool::Document;

bool same_bits(const std::vector<Document>& a, const std::vector<Document>& b) {
  return std::equal(
      a.begin(), a.end(), b.begin(), b.end(), [](const Document& x, const Document& y) {
        return x.id == y.id &&
               std::bit_cast<std::uint32_t>(x.score) == std::bit_cast<std::uint32_t>(y.score);
      });
}

}  // namespace

SteadyLoadReport run_steady_load(retriever_pool::Retriever& pool, retriever_pool::Retriever& oracle,
                                 std::span<const float> queries, const SteadyLoadOptions& options,
                                 const std::function<void(std::int64_t done)>& tick) {
  const auto dimension = static_cast<std::size_t>(oracle.description().dimension);
  const std::size_t distinct = queries.size() / dimension;
  retriever_pool::RetrievalRequest expected_request;
  expected_request.k = options.k;
  expected_request.want_passages = false;
  expected_request.deadline = std::chrono::minutes(1);
  std::vector<std::vector<Document>> expected;
  for (std::size_t row = 0; row < distinct; ++row) {
    expected_request.queries = queries.subspan(row * dimension, dimension);
    expected.push_back(oracle.retrieve(expected_request).rows.at(0));
  }

  SteadyLoadReport report;
  report.latency_ms.resize(static_cast<std::size_t>(options.queries));
  std::atomic<std::int64_t> next = 0, done = 0, lost = 0, wrong = 0;
  std::mutex fault_mutex;
  const auto begin = Clock::now();
  const auto send = [&] {
    for (std::int64_t i = next++; i < options.queries; i = next++) {
      const auto due =
          begin + std::chrono::duration_cast<Clock::duration>(
                      std::chrono::duration<double>(static_cast<double>(i) / options.rate_per_s));
      std::this_thread::sleep_until(due);
      const std::size_t row = static_cast<std::size_t>(i) % distinct;
      retriever_pool::RetrievalRequest request;
      request.queries = queries.subspan(row * dimension, dimension);
      request.k = options.k;
      request.deadline = options.deadline;
      try {
        if (!same_bits(pool.retrieve(request).rows.at(0), expected[row])) ++wrong;
      } catch (const std::exception& error) {
        ++lost;
        const std::lock_guard lock(fault_mutex);
        if (report.first_fault.empty()) report.first_fault = error.what();
      }
      report.latency_ms[static_cast<std::size_t>(i)] =
          std::chrono::duration<double, std::milli>(Clock::now() - due).count();
      ++done;
    }
  };
  {
    std::vector<std::jthread> callers;
    for (std::int32_t t = 0; t < options.threads; ++t) callers.emplace_back(send);
    while (done < options.queries) {
      tick(done);
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
  }
  tick(done);
  report.sent = options.queries;
  report.lost = lost;
  report.wrong = wrong;
  return report;
}

}  // namespace rookery::launch
