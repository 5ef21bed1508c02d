#include "actors/log_tail.hpp"

#include <algorithm>
#include <fstream>
#include <system_error>

namespace rookery::actors {

namespace {
constexpr std::int64_t kTailBytesMax = 16 << 10;
constexpr std::size_t kLineBytesMax = 512;
}  // namespace

std::int64_t log_bytes(const std::filesystem::path& log) {
  std::error_code error;
  const auto bytes = std::filesystem::file_size(log, error);
  return error ? 0 : static_cast<std::int64_t>(bytes);
}

std::string last_words(const std::filesystem::path& log, std::int64_t from) {
  std::ifstream file(log, std::ios::binary);
  if (!file) return "";
  file.seekg(std::max(from, log_bytes(log) - kTailBytesMax));
  std::string line, last;
  while (std::getline(file, line)) {
    if (line.find_first_not_of(" \t\r") != std::string::npos) last = line;
  }
  return last.substr(0, kLineBytesMax);
}

}  // namespace rookery::actors
