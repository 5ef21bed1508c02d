#include "trainer/bench_steps.hpp"

#include <chrono>
#include <exception>
#include <iostream>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "base/error.hpp"
#include "base/heap.hpp"
#include "index_tools/npy_file.hpp"

namespace rookery::trainer {
namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::json;

Json checked_fields(const FoundDocuments& found) {
  Json ends = Json::array();
  const std::size_t width = found.ids.empty() ? 0 : found.vectors.size() / found.ids.size();
  for (std::size_t i = 0; i < found.ids.size(); ++i) {
    ends.push_back(found.vectors.at(i * width));
    ends.push_back(found.vectors.at(i * width + width - 1));
  }
  return {{"ids", found.ids}, {"ends", std::move(ends)}};
}

}  // namespace

std::vector<std::int64_t> bench_rows(const BenchTrainer& trainer, std::int64_t step,
                                     std::int64_t count) {
  std::vector<std::int64_t> rows;
  for (std::int32_t i = 0; i < trainer.batch; ++i) {
    rows.push_back(((step * trainer.ranks + trainer.rank) * trainer.batch + i) % count);
  }
  return rows;
}

int serve_bench_steps(
    const BenchTrainer& trainer,
    const std::function<FoundDocuments(std::span<const float> queries, std::int32_t k)>& retrieve) {
  base::keep_freed_memory();  // as a rank does
  const index_tools::NpyFile file(trainer.queries);
  const auto width = static_cast<std::size_t>(file.columns());
  std::vector<float> queries(static_cast<std::size_t>(trainer.batch) * width);
  std::cout << "ready\n" << std::flush;
  for (std::string line; std::getline(std::cin, line);) {
    Json reply;
    try {
      const Json request = Json::parse(line);
      std::size_t at = 0;
      for (const std::int64_t row : bench_rows(trainer, request.at("step"), file.rows())) {
        file.copy_row(row, std::span(queries).subspan(width * at++, width));
      }
      const auto begin = Clock::now();
      const FoundDocuments found = retrieve(queries, trainer.k);
      reply["s"] = std::chrono::duration<double>(Clock::now() - begin).count();
      if (request.value("check", false)) reply.update(checked_fields(found));
      std::this_thread::sleep_for(std::chrono::milliseconds(request.value("compute_ms", 0)));
    } catch (const std::exception& error) {
      std::cout << Json{{"error", error.what()}}.dump() << "\n" << std::flush;
      return 1;
    }
    std::cout << reply.dump() << "\n" << std::flush;
  }
  return 0;
}

}  // namespace rookery::trainer
