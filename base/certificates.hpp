#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace rookery::base {

/// A certificate and its private key, PEM.
struct PemPair {
  std::string certificate, key;
};

struct CertificateOptions {
  std::string name;                     ///< common name
  std::vector<std::string> hosts = {};  ///< names and IP addresses that it is valid for
  std::chrono::hours validity{24 * 365};
  /// Before now by an hour, so that a peer whose clock is a little late takes it.
  std::chrono::system_clock::time_point from =
      std::chrono::system_clock::now() - std::chrono::hours(1);
};

/// A certificate authority of its own (EC P-256, self-signed). Throws `UserError` for hosts that
/// are no names or addresses.
PemPair make_authority(const CertificateOptions& options);
/// A certificate for servers and clients, signed by the authority.
PemPair issue_certificate(const PemPair& authority, const CertificateOptions& options);

struct CertificateFacts {
  std::string name, issuer;
  std::vector<std::string> hosts;
  std::chrono::system_clock::time_point from{}, until{};
};
/// The first certificate of a PEM text; `where` names it in the `UserError` for what is none.
CertificateFacts read_certificate(const std::string& pem, const std::string& where);

/// Throws `UserError` unless the private key in `pem` fits the certificate there, the authority
/// signed it, and it is valid now: naming `where`, what is wrong and the remedy.
void check_certificate(const std::string& pem, const std::string& authority,
                       const std::string& where);

}  // namespace rookery::base
