#pragma once

namespace rookery::base {

/// Empties OpenSSL's list of complaints of this thread. A TLS session that only has to wait for
/// bytes takes whatever it finds there for its own error: for threads with several sessions whose
/// library does not look after the list.
void forget_tls_errors();

/// The same, in whatever thread, whenever a TLS session of this process is freed from now on.
void forget_tls_errors_of_ended_sessions();

}  // namespace rookery::base
