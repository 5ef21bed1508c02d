#pragma once

#include "base/http_server.hpp"

#include <boost/asio/ssl/context.hpp>

#include <filesystem>
#include <memory>

namespace rookery::base::detail {

/// A server's side of TLS 1.2 and later. `tls.certificate` and `tls.key` may be one file (PEM).
/// Throws `UserError` naming the file that cannot be read or does not fit.
std::shared_ptr<boost::asio::ssl::context> server_context(const TlsFiles& tls);

/// A client's side: the server must show a certificate that `tls.authority` signed. Which host it
/// names is not looked at, because only the colony's own processes get certificates.
std::shared_ptr<boost::asio::ssl::context> client_context(const TlsFiles& tls);

/// The server's context, made anew when its certificate was replaced, so that a rotation needs no
/// restart. One thread.
class ServerContexts {
 public:
  /// Throws as `server_context`; empty files give no context.
  explicit ServerContexts(TlsFiles tls);
  /// For the next connection; null without TLS.
  [[nodiscard]] std::shared_ptr<boost::asio::ssl::context> next();

 private:
  TlsFiles tls_;
  std::filesystem::file_time_type changed_{};
  std::shared_ptr<boost::asio::ssl::context> context_;
};

}  // namespace rookery::base::detail
