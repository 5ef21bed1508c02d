#include "base/tls_errors.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>

namespace rookery::base {

void forget_tls_errors() { ERR_clear_error(); }

void forget_tls_errors_of_ended_sessions() {
  // OpenSSL calls this for what others keep with a session; nothing is kept here.
  static const int index = SSL_get_ex_new_index(
      0, nullptr, nullptr, nullptr,
      [](void*, void*, CRYPTO_EX_DATA*, int, long, void*) { ERR_clear_error(); });
  (void)index;
}

}  // namespace rookery::base
