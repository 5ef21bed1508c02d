#define LIMITS_NAME(name) name##_avx2
#define LIMITS_BYTES 32
#include "retriever_pool/detail/machine_limits.inc"
