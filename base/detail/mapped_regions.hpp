#pragma once

#include <cstddef>

namespace rookery::base::detail {

/// Remembers where a file is mapped, for a signal handler that must name it. Beyond 4,096 mappings
/// at a time further ones are not remembered. Any thread.
void remember_mapping(const void* begin, std::size_t bytes, const char* path);
void forget_mapping(const void* begin);
/// The file that is mapped at an address, or null. Safe in a signal handler.
const char* mapped_path_of(const void* address);

}  // namespace rookery::base::detail
