#include "base/heap.hpp"

#include <malloc.h>

namespace rookery::base {

void keep_freed_memory() {
  ::mallopt(M_MMAP_THRESHOLD, 32 << 20);
  ::mallopt(M_TRIM_THRESHOLD, 1 << 30);
}

}  // namespace rookery::base
