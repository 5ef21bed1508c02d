#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace rookery::actors {

/// Bytes of a log so far, 0 when there is none: note it before a process starts.
std::int64_t log_bytes(const std::filesystem::path& log);

/// The last line that is not blank, written behind `from` bytes, cut to 512 bytes: a process's last
/// words. Empty when there is none.
std::string last_words(const std::filesystem::path& log, std::int64_t from);

}  // namespace rookery::actors
