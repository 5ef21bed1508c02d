#pragma once

#include <mutex>

namespace rookery::index_tools::detail {

/// Sets the threads of OpenMP (of the calling thread) and of the library's own OpenBLAS while it
/// lives, and puts both back. OpenBLAS's number is global, so that calls of the library take turns.
class FaissThreads {
 public:
  /// `threads` is at least 1, else `std::invalid_argument`.
  explicit FaissThreads(int threads);
  ~FaissThreads();
  FaissThreads(const FaissThreads&) = delete;
  FaissThreads& operator=(const FaissThreads&) = delete;

 private:
  std::unique_lock<std::mutex> turn_;
  int omp_before_ = 1, blas_before_ = 1;
};

}  // namespace rookery::index_tools::detail
