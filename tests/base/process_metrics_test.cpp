#include "base/process_metrics.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <latch>
#include <thread>
#include <vector>

#include "base/build_info.hpp"
#include "tests/support/eventually.hpp"

namespace rookery::base {
namespace {

using ::testing::HasSubstr;

TEST(ProcessMetricsTest, CountsDescriptorsAndThreadsThatComeAndGo) {
  const auto before = read_process_usage();
  std::latch end(1);
  std::vector<std::thread> threads;
  threads.reserve(3);
  for (int i = 0; i < 3; ++i) threads.emplace_back([&] { end.wait(); });
  std::vector<int> files;
  for (int i = 0; i < 5; ++i) files.push_back(::dup(0));

  const auto during = read_process_usage();
  EXPECT_EQ(during.open_descriptors, before.open_descriptors + 5);
  for (const int file : files) ::close(file);
  end.count_down();
  for (auto& thread : threads) thread.join();
  // The kernel counts a thread that was joined for a moment longer, an earlier test's too.
  EXPECT_TRUE(rookery::testing::eventually(
      [&] { return read_process_usage().threads <= during.threads - 3; }));
  EXPECT_EQ(read_process_usage().open_descriptors, before.open_descriptors);
}

TEST(ProcessMetricsTest, SeesMemoryThatIsTouched) {
  constexpr std::size_t kBytes = 64 << 20;
  const auto before = read_process_usage().resident_bytes;
  std::vector<char> block(kBytes, 1);
  EXPECT_GT(read_process_usage().resident_bytes, before + (48 << 20));
  EXPECT_EQ(block[kBytes - 1], 1);
}

TEST(ProcessMetricsTest, AgreesWithTheKernelOnTimes) {
  rusage used{};
  ASSERT_EQ(::getrusage(RUSAGE_SELF, &used), 0);
  const double cpu = static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                     static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
  const auto usage = read_process_usage();
  EXPECT_GE(usage.cpu_seconds, cpu - 0.03);  // the two are rounded to ticks of 10 ms
  const double now =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  EXPECT_LE(usage.start_time_seconds, now + 2);  // btime is rounded to a second
  EXPECT_GT(usage.start_time_seconds, now - 86'400);
}

TEST(ProcessMetricsTest, NamesTheBuildAndTheRole) {
  Metrics metrics;
  ProcessMetrics process(metrics, "node");
  process.update();
  const auto text = metrics.text();
  EXPECT_THAT(text, HasSubstr("rookery_build_info{commit=\"" + build_commit() +
                              "\",role=\"node\",version=\"" + build_version() + "\"} 1"));
  for (const char* name :
       {"process_resident_memory_bytes", "process_open_fds", "process_max_fds", "process_threads",
        "process_cpu_seconds_total", "process_start_time_seconds"}) {
    EXPECT_THAT(text, HasSubstr("# TYPE " + std::string(name)));
  }
}

}  // namespace
}  // namespace rookery::base
