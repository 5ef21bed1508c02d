#include "index_tools/faiss/faiss_bridge.hpp"

#include <dlfcn.h>
#include <stdlib.h>

#include <string>
#include <system_error>

#include "base/cpu_features.hpp"
#include "base/error.hpp"
#include "index_tools/faiss/detail/faiss_loader.hpp"

namespace rookery::index_tools {
namespace detail {

std::filesystem::path faiss_library_path() {
  std::error_code error;
  const std::filesystem::path executable = std::filesystem::read_symlink("/proc/self/exe", error);
  return (executable.parent_path().parent_path() / "lib" / "librookery_faiss.so");
}

FaissBridge& load_faiss_bridge(const std::filesystem::path& library, bool avx2) {
  const std::string what = "hnsw and ivfpq indexes";
  if (!avx2) {
    throw base::UserError(what +
                          " are built with faiss: expected a CPU with AVX2 and FMA, got one "
                          "without; build them on another machine, or use exact, int8 or bm25");
  }
  std::error_code error;
  if (!std::filesystem::exists(library, error)) {
    throw base::UserError(what + " are built with faiss: expected its library at " +
                          library.string() +
                          ", which is not there; build the target "
                          "rookery_faiss, or install it beside the executable's folder");
  }
  // Waiting OpenMP threads sleep rather than spin: on a machine with other work the hundreds of
  // thousands of short loops of k-means took ten times as long.
  ::setenv("OMP_WAIT_POLICY", "passive", 0);
  // Local, so that its names never meet libtorch's; never closed, since its threads live on.
  void* handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* reason = dlerror();
    throw base::UserError(library.string() + ": expected a library that loads: " +
                          (reason == nullptr ? "unknown reason" : reason));
  }
  using Factory = FaissBridge* (*)();
  const auto factory = reinterpret_cast<Factory>(dlsym(handle, "rookery_faiss_bridge"));
  if (factory == nullptr) {
    dlclose(handle);
    throw base::UserError(library.string() +
                          ": expected Rookery's faiss library, got one without "
                          "rookery_faiss_bridge; build the target rookery_faiss anew");
  }
  return *factory();
}

}  // namespace detail

FaissBridge& faiss_bridge() {
  static FaissBridge& bridge = detail::load_faiss_bridge(
      detail::faiss_library_path(),
      __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && base::cpu_has_f16c());
  return bridge;
}

}  // namespace rookery::index_tools
