#define LIMITS_NAME(name) name##_avx512
#define LIMITS_BYTES 64
#include "retriever_pool/detail/machine_limits.inc"
