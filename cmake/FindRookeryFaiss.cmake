# faiss 1.7.3 with AVX2 from the cache: as `faiss::faiss` with the system's BLAS, for tests that compare with it, and as
# `faiss::static` with a static OpenBLAS, for the one library of ours that holds it.
include(RookeryCache)
find_path(FAISS_INCLUDE_DIR faiss/IndexFlat.h HINTS "${ROOKERY_CACHE}/faiss-1.7.3-avx2/include")
find_library(FAISS_LIBRARY NAMES faiss_avx2 faiss HINTS "${ROOKERY_CACHE}/faiss-1.7.3-avx2/lib")
find_library(FAISS_BLAS_LIBRARY NAMES openblas)
find_library(FAISS_STATIC_BLAS_LIBRARY NAMES libopenblas.a)
# OpenBLAS's own dependency is there at run time, whether or not a Fortran compiler is.
find_library(FAISS_FORTRAN_LIBRARY NAMES libgfortran.so.5 gfortran)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(RookeryFaiss REQUIRED_VARS FAISS_INCLUDE_DIR FAISS_LIBRARY FAISS_BLAS_LIBRARY
  FAISS_STATIC_BLAS_LIBRARY FAISS_FORTRAN_LIBRARY)
if(RookeryFaiss_FOUND AND NOT TARGET faiss::faiss)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    # Only the library that gcc has compiled needs OpenMP, so gcc's will do where clang has none.
    find_library(FAISS_OPENMP_LIBRARY NAMES libgomp.so.1 gomp REQUIRED)
    set(faiss_openmp "${FAISS_OPENMP_LIBRARY}")
  else()
    find_package(OpenMP REQUIRED)
    set(faiss_openmp OpenMP::OpenMP_CXX)
  endif()
  add_library(faiss::faiss INTERFACE IMPORTED)
  target_include_directories(faiss::faiss SYSTEM INTERFACE "${FAISS_INCLUDE_DIR}")
  target_link_libraries(faiss::faiss INTERFACE "${FAISS_LIBRARY}" "${FAISS_BLAS_LIBRARY}" ${faiss_openmp})
  add_library(faiss::static INTERFACE IMPORTED)
  target_include_directories(faiss::static SYSTEM INTERFACE "${FAISS_INCLUDE_DIR}")
  target_link_libraries(faiss::static INTERFACE "${FAISS_LIBRARY}" "${FAISS_STATIC_BLAS_LIBRARY}" ${faiss_openmp}
    "${FAISS_FORTRAN_LIBRARY}" m)
endif()
