#include "index_tools/faiss/detail/faiss_threads.hpp"

#include <omp.h>

#include <stdexcept>
#include <string>

// OpenBLAS's own names; Debian's cblas.h would bring its complex types along.
extern "C" {
void openblas_set_num_threads(int threads);
int openblas_get_num_threads(void);
}

namespace rookery::index_tools::detail {
namespace {

std::mutex& turns() {
  static std::mutex mutex;
  return mutex;
}

}  // namespace

FaissThreads::FaissThreads(int threads) {
  if (threads < 1) {
    throw std::invalid_argument("faiss: expected at least one thread, got " +
                                std::to_string(threads));
  }
  turn_ = std::unique_lock(turns());
  omp_before_ = omp_get_max_threads();
  blas_before_ = openblas_get_num_threads();
  omp_set_num_threads(threads);
  openblas_set_num_threads(threads);
}

FaissThreads::~FaissThreads() {
  openblas_set_num_threads(blas_before_);
  omp_set_num_threads(omp_before_);
}

}  // namespace rookery::index_tools::detail
