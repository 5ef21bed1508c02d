# libtorch as `rookery::torch`. A LibTorch on CMAKE_PREFIX_PATH comes first; else the wheel that launch/setup unpacked,
# of which a CPU build links torch_cpu and c10 only (find_package(Torch) of that wheel insists on a CUDA toolkit).
include(RookeryCache)
set(_torch_site "${ROOKERY_CACHE}/torch-2.11.0")
set(_torch_hints)
foreach(prefix ${CMAKE_PREFIX_PATH})
  if(EXISTS "${prefix}/lib/libtorch_cpu.so")
    list(APPEND _torch_hints "${prefix}")
  endif()
endforeach()
list(APPEND _torch_hints "${_torch_site}/torch")
find_path(TORCH_INCLUDE_DIR torch/version.h HINTS ${_torch_hints} PATH_SUFFIXES include NO_DEFAULT_PATH)
find_library(TORCH_CPU_LIBRARY torch_cpu HINTS ${_torch_hints} PATH_SUFFIXES lib NO_DEFAULT_PATH)
find_library(TORCH_C10_LIBRARY c10 HINTS ${_torch_hints} PATH_SUFFIXES lib NO_DEFAULT_PATH)
find_path(GLOO_INCLUDE_DIR gloo/config.h)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(RookeryTorch REQUIRED_VARS
  TORCH_INCLUDE_DIR TORCH_CPU_LIBRARY TORCH_C10_LIBRARY GLOO_INCLUDE_DIR)
if(RookeryTorch_FOUND AND NOT TARGET rookery::torch)
  get_filename_component(_torch_lib "${TORCH_CPU_LIBRARY}" DIRECTORY)
  add_library(rookery_torch_imported INTERFACE IMPORTED)
  add_library(rookery::torch ALIAS rookery_torch_imported)
  target_include_directories(rookery_torch_imported SYSTEM INTERFACE
    "${TORCH_INCLUDE_DIR}" "${TORCH_INCLUDE_DIR}/torch/csrc/api/include" "${GLOO_INCLUDE_DIR}")
  target_compile_definitions(rookery_torch_imported INTERFACE USE_DISTRIBUTED USE_C10D_GLOO)
  # libcudart and libcupti, which the CPU library of a CUDA wheel names, are found through its own run path.
  target_link_options(rookery_torch_imported INTERFACE
    "-Wl,-rpath,${_torch_lib}" "-Wl,-rpath-link,${_torch_lib}/../../nvidia/cu13/lib" -Wl,--no-as-needed)
  target_link_libraries(rookery_torch_imported INTERFACE "${TORCH_CPU_LIBRARY}" "${TORCH_C10_LIBRARY}")
  if(ROOKERY_CUDA)
    target_link_libraries(rookery_torch_imported INTERFACE "${_torch_lib}/libtorch_cuda.so" "${_torch_lib}/libc10_cuda.so")
    target_compile_definitions(rookery_torch_imported INTERFACE ROOKERY_CUDA)
  endif()
endif()
