#include "base/process_metrics.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <mutex>
#include <sstream>
#include <vector>

#include "base/build_info.hpp"

namespace rookery::base {

namespace {

std::string read_text(const char* file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// The fields of /proc/self/stat from the third on: the second, a name in brackets, may hold
/// blanks and brackets itself.
std::vector<std::string> stat_fields() {
  const auto text = read_text("/proc/self/stat");
  const auto bracket = text.rfind(')');
  if (bracket == std::string::npos) return {};
  std::istringstream in(text.substr(bracket + 1));
  return {std::istream_iterator<std::string>(in), {}};
}

std::int64_t count_descriptors() {
  std::error_code error;
  std::int64_t count = 0;
  for (std::filesystem::directory_iterator it("/proc/self/fd", error), end; !error && it != end;
       it.increment(error)) {
    ++count;
  }
  return error ? -1 : count - 1;  // one of them reads the folder
}

/// Seconds since the epoch at which the machine started.
double boot_time() {
  std::istringstream in(read_text("/proc/stat"));
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("btime ")) return std::stod(line.substr(6));
  }
  return -1;
}

}  // namespace

ProcessUsage read_process_usage() {
  ProcessUsage usage;
  const auto fields = stat_fields();
  // proc(5): of the fields behind the name, 11 and 12 are the ticks of user and system, 17 the
  // threads, 19 the start, 21 the resident pages.
  if (fields.size() > 21) {
    const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
    usage.cpu_seconds = (std::stod(fields[11]) + std::stod(fields[12])) / ticks;
    usage.threads = std::stoll(fields[17]);
    const double boot = boot_time();
    if (boot >= 0) usage.start_time_seconds = boot + std::stod(fields[19]) / ticks;
    usage.resident_bytes = std::stoll(fields[21]) * ::sysconf(_SC_PAGESIZE);
  }
  usage.open_descriptors = count_descriptors();
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
    usage.descriptors_max = static_cast<std::int64_t>(limit.rlim_cur);
  }
  return usage;
}

struct ProcessMetrics::Impl {
  explicit Impl(prometheus::Registry& registry)
      : resident(gauge(registry, "process_resident_memory_bytes", "Resident memory.")),
        descriptors(gauge(registry, "process_open_fds", "Open file descriptors.")),
        descriptors_max(gauge(registry, "process_max_fds", "File descriptors that may be open.")),
        threads(gauge(registry, "process_threads", "Threads.")),
        start(gauge(registry, "process_start_time_seconds", "Start, in seconds since the epoch.")),
        cpu(prometheus::BuildCounter()
                .Name("process_cpu_seconds_total")
                .Help("User and system time.")
                .Register(registry)
                .Add({})) {}

  static prometheus::Gauge& gauge(prometheus::Registry& registry, const char* name,
                                  const char* help) {
    return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add({});
  }

  std::mutex mutex;  // one update at a time: the counter rises by a difference
  prometheus::Gauge &resident, &descriptors, &descriptors_max, &threads, &start;
  prometheus::Counter& cpu;
};

ProcessMetrics::ProcessMetrics(Metrics& metrics, const std::string& role)
    : impl_(std::make_unique<Impl>(metrics.registry())) {
  prometheus::BuildGauge()
      .Name("rookery_build_info")
      .Help("Always 1; which program this is.")
      .Register(metrics.registry())
      .Add({{"version", build_version()}, {"commit", build_commit()}, {"role", role}})
      .Set(1);
  update();
}

ProcessMetrics::~ProcessMetrics() = default;

void ProcessMetrics::update() {
  const auto usage = read_process_usage();
  const std::lock_guard lock(impl_->mutex);
  impl_->resident.Set(static_cast<double>(usage.resident_bytes));
  impl_->descriptors.Set(static_cast<double>(usage.open_descriptors));
  impl_->descriptors_max.Set(static_cast<double>(usage.descriptors_max));
  impl_->threads.Set(static_cast<double>(usage.threads));
  impl_->start.Set(usage.start_time_seconds);
  if (usage.cpu_seconds > impl_->cpu.Value()) {
    impl_->cpu.Increment(usage.cpu_seconds - impl_->cpu.Value());
  }
}

}  // namespace rookery::base
