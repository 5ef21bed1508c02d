#include "launch/chaos/process_facts.hpp"

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace rookery::launch {

ProcessFacts process_facts(pid_t process) {
  ProcessFacts facts;
  const std::filesystem::path folder = "/proc/" + std::to_string(process);
  std::ifstream status(folder / "status");
  for (std::string line; std::getline(status, line);) {
    std::istringstream words(line);
    std::string key;
    std::int64_t value = 0;
    words >> key >> value;
    if (key == "VmRSS:") facts.resident_bytes = value * 1024;
    if (key == "RssAnon:") facts.anonymous_bytes = value * 1024;
    if (key == "Threads:") facts.threads = value;
  }
  std::error_code error;
  for (auto entry = std::filesystem::directory_iterator(folder / "fd", error);
       !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    ++facts.descriptors;
  }
  return facts;
}

}  // namespace rookery::launch
