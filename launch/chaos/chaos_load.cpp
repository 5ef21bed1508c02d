#include "launch/chaos/chaos_load.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <mutex>
#include <random>
#include <stdexcept>
#include <thread>
#include <utility>

#include "index_tools/snapshot_writer.hpp"

namespace rookery::launch {
namespace {

using Clock = std::chrono::steady_clock;
using retriever_pool::Document;
using retriever_pool::RetrievalRequest;

std::string title_of(std::int64_t row, std::uint64_t seed) {
  return "row " + std::to_string(row) + " of seed " + std::to_string(seed);
}

bool same(const std::vector<Document>& a, const std::vector<Document>& b) {
  return std::equal(
      a.begin(), a.end(), b.begin(), b.end(), [](const Document& x, const Document& y) {
        return x.id == y.id && x.title == y.title &&
               std::bit_cast<std::uint32_t>(x.score) == std::bit_cast<std::uint32_t>(y.score);
      });
}

RetrievalRequest request_for(const std::vector<float>& query, std::int32_t k,
                             std::chrono::milliseconds deadline) {
  RetrievalRequest request;
  request.queries = query;
  request.k = k;
  request.deadline = deadline;
  return request;
}

}  // namespace

std::vector<float> chaos_vector(std::int64_t row, std::int32_t dimension, std::uint64_t seed) {
  std::mt19937_64 random(seed * 1'000'003U + static_cast<std::uint64_t>(row) * 2'654'435'761U + 1);
  std::normal_distribution<float> normal;
  std::vector<float> vector(static_cast<std::size_t>(dimension));
  for (float& x : vector) x = normal(random);
  return vector;
}

std::string write_chaos_snapshot(const std::filesystem::path& name, const ChaosCorpus& corpus,
                                 std::uint64_t seed) {
  index_tools::Manifest facts;
  facts.dimension = corpus.dimension;
  facts.sources = corpus.rows;
  facts.corpus = "chaos";
  facts.build_key = "seed " + std::to_string(seed);
  facts.encoder.name = "random";
  facts.encoder.model_hash = std::string(64, 'c');
  facts.encoder.dimension = corpus.dimension;
  facts.encoder.pooling = "mean";
  index_tools::SnapshotWriterOptions layout;
  layout.shards = corpus.shards;
  layout.threads = 1;
  for (const auto& spec : corpus.indexes) {
    layout.indexes.push_back(index_tools::parse_index_spec(spec));
  }
  index_tools::SnapshotWriter writer(name, name.string() + ".work", facts, layout);
  for (std::int64_t row = 0; row < corpus.rows; ++row) {
    const auto id = std::to_string(row);
    const auto title = title_of(row, seed), text = "the text of row " + id;
    writer.add({row, id, title, text}, chaos_vector(row, corpus.dimension, seed));
  }
  return writer.commit().generation;
}

ChaosOracle::ChaosOracle(std::int32_t queries, std::int32_t k, std::int32_t dimension,
                         std::uint64_t seed)
    : count_(static_cast<std::size_t>(queries)),
      dimension_(static_cast<std::size_t>(dimension)),
      k_(k) {
  for (std::int32_t i = 0; i < queries; ++i) {
    const auto query = chaos_vector(-1 - i, dimension, seed);
    queries_.insert(queries_.end(), query.begin(), query.end());
  }
}

std::vector<float> ChaosOracle::query(std::size_t index) const {
  const auto begin = queries_.begin() + static_cast<std::ptrdiff_t>((index % count_) * dimension_);
  return {begin, begin + static_cast<std::ptrdiff_t>(dimension_)};
}

void ChaosOracle::add(const std::filesystem::path& snapshot, const ChaosCorpus& corpus,
                      std::uint64_t seed) {
  const auto pool =
      retriever_pool::open_embedded_pool({.snapshot = snapshot.string(), .threads = 1});
  std::vector<std::vector<std::pair<double, std::int64_t>>> best(count_);
  for (std::int64_t row = 0; row < corpus.rows; ++row) {
    const auto vector = chaos_vector(row, corpus.dimension, seed);
    for (std::size_t q = 0; q < count_; ++q) {
      double dot = 0;
      for (std::size_t i = 0; i < dimension_; ++i) {
        dot += static_cast<double>(vector[i]) * static_cast<double>(queries_[q * dimension_ + i]);
      }
      auto& top = best[q];
      top.emplace_back(-dot, row);
      std::push_heap(top.begin(), top.end());
      if (top.size() > static_cast<std::size_t>(k_)) {
        std::pop_heap(top.begin(), top.end());
        top.pop_back();
      }
    }
  }
  std::vector<Row> rows;
  for (std::size_t q = 0; q < count_; ++q) {
    const auto vector = query(q);
    auto answer = pool->retrieve(request_for(vector, k_, std::chrono::minutes(1)));
    std::sort(best[q].begin(), best[q].end());
    const Row& row = answer.rows.at(0);
    bool agree = row.size() == best[q].size();
    for (std::size_t i = 0; agree && i < row.size(); ++i) {
      // Float rounding of a sum of `dimension` products: some 1e-5 here; ranks may swap within it.
      const double score = static_cast<double>(row[i].score);
      agree = std::abs(score + best[q][i].first) < 1e-3 &&
              (row[i].id == best[q][i].second || std::abs(score + best[q][i].first) < 1e-3) &&
              row[i].title == title_of(row[i].id, seed);
    }
    if (!agree) throw std::runtime_error("the oracle's two searches disagree");
    rows.push_back(std::move(answer.rows[0]));
  }
  expected_[pool->description().generation] = std::move(rows);
}

CallOutcome ChaosOracle::judge(std::size_t query,
                               const retriever_pool::RetrievalAnswer& answer) const {
  const auto found = expected_.find(answer.generation);
  if (found == expected_.end() || answer.rows.size() != 1) return CallOutcome::kWrong;
  const auto& rows = found->second;
  if (same(answer.rows[0], rows[query % count_])) return CallOutcome::kRight;
  const bool of_another = std::any_of(rows.begin(), rows.end(),
                                      [&](const Row& row) { return same(answer.rows[0], row); });
  return of_another ? CallOutcome::kMisplaced : CallOutcome::kWrong;
}

struct ChaosLoad::Impl {
  Impl(Clients load_clients, const ChaosOracle& load_oracle, const ChaosLoadOptions& load_options)
      : clients(std::move(load_clients)), oracle(load_oracle), options(load_options) {
    next = std::vector<std::atomic<std::int64_t>>(clients.size());
  }

  [[nodiscard]] double since(Clock::time_point time) const {
    return std::chrono::duration<double>(time - begin).count();
  }

  void ask(std::size_t client) {
    const double period = static_cast<double>(clients.size()) / options.rate_per_s;
    while (true) {
      const std::int64_t i = next[client]++;
      const double due = (static_cast<double>(i) +
                          static_cast<double>(client) / static_cast<double>(clients.size())) *
                         period;
      const auto due_time =
          begin + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(due));
      while (!stopping && Clock::now() < due_time) {
        std::this_thread::sleep_until(
            std::min(due_time, Clock::now() + std::chrono::milliseconds(50)));
      }
      if (stopping) return;
      ++started;
      CallRecord record;
      record.call =
          i * static_cast<std::int64_t>(clients.size()) + static_cast<std::int64_t>(client);
      record.client = static_cast<std::int32_t>(client);
      record.due = due;
      record.deadline = std::chrono::duration<double>(options.deadline).count();
      const auto index = static_cast<std::size_t>(record.call);
      const auto query = oracle.query(index);
      record.sent = since(Clock::now());
      try {
        const auto answer =
            clients[client]->retrieve(request_for(query, oracle.k(), options.deadline));
        record.done = since(Clock::now());
        record.outcome = oracle.judge(index, answer);
        record.generation = answer.generation;
        record.attempts = answer.attempts;
        record.hedges = answer.hedges;
      } catch (const retriever_pool::RetrievalError& error) {
        record.done = since(Clock::now());
        record.error = std::string(error.what()).substr(0, 160);
      }
      const std::lock_guard lock(mutex);
      records.push_back(std::move(record));
    }
  }

  Clients clients;
  const ChaosOracle& oracle;
  ChaosLoadOptions options;
  Clock::time_point begin = Clock::now();
  std::vector<std::atomic<std::int64_t>> next;
  std::atomic<bool> stopping = false;
  std::atomic<std::int64_t> started = 0;
  mutable std::mutex mutex;
  std::vector<CallRecord> records;
  std::atomic<std::int32_t> asking = 0;  // callers that have not ended
};

ChaosLoad::ChaosLoad(Clients clients, const ChaosOracle& oracle, const ChaosLoadOptions& options)
    : impl_(std::make_shared<Impl>(std::move(clients), oracle, options)) {
  for (std::size_t client = 0; client < impl_->clients.size(); ++client) {
    for (std::int32_t t = 0; t < options.threads; ++t) {
      ++impl_->asking;
      std::thread([impl = impl_, client] {
        impl->ask(client);
        --impl->asking;
      }).detach();
    }
  }
}
ChaosLoad::~ChaosLoad() { stop(); }
double ChaosLoad::now() const { return impl_->since(Clock::now()); }
std::int64_t ChaosLoad::started() const { return impl_->started; }
std::vector<CallRecord> ChaosLoad::calls() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->records;
}
std::vector<CallRecord> ChaosLoad::take_calls() {
  const std::lock_guard lock(impl_->mutex);
  return std::exchange(impl_->records, {});
}
std::int64_t ChaosLoad::stop() {
  impl_->stopping = true;
  const auto end = Clock::now() + impl_->options.deadline + std::chrono::seconds(10);
  while (impl_->asking > 0 && Clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return impl_->asking;
}

double measure_capacity(const ChaosLoad::Clients& clients, const ChaosOracle& oracle,
                        std::int32_t threads, std::chrono::milliseconds time) {
  std::atomic<std::int64_t> done = 0;
  const auto begin = Clock::now();
  {
    std::vector<std::jthread> callers;
    for (std::size_t c = 0; c < clients.size(); ++c) {
      for (std::int32_t t = 0; t < threads; ++t) {
        callers.emplace_back([&, c, t] {
          for (auto i = static_cast<std::size_t>(t); Clock::now() < begin + time; ++i) {
            const auto query = oracle.query(i);
            try {
              (void)clients[c]->retrieve(request_for(query, oracle.k(), std::chrono::seconds(5)));
              ++done;
            } catch (const retriever_pool::RetrievalError&) {  // counts for nothing
            }
          }
        });
      }
    }
  }
  return static_cast<double>(done) / std::chrono::duration<double>(Clock::now() - begin).count();
}

}  // namespace rookery::launch
