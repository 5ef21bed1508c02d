#pragma once

#include <cstdint>

namespace rookery::base {

/// Descriptors that a process of a colony should be able to open: connections of many clients and a
/// few hundred of strangers that are soon closed.
inline constexpr std::int64_t kDescriptorsWanted = 4096;

/// Raises this process's soft limit of open files to its hard one, and warns when that is still
/// below `kDescriptorsWanted`. Returns the limit that holds now.
std::int64_t raise_descriptor_limit();

}  // namespace rookery::base
