#include "base/build_info.hpp"

namespace rookery::base {

std::string build_version() { return ROOKERY_VERSION; }
std::string build_commit() { return ROOKERY_COMMIT; }

}  // namespace rookery::base
