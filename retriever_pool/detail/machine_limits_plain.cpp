#define LIMITS_NAME(name) name##_plain
#define LIMITS_BYTES 16
#include "retriever_pool/detail/machine_limits.inc"
