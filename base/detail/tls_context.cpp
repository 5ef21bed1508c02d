#include "base/detail/tls_context.hpp"

#include "base/error.hpp"
#include "base/log.hpp"

#include <utility>

namespace rookery::base::detail {

namespace ssl = boost::asio::ssl;

namespace {

void check(const boost::system::error_code& error, const std::filesystem::path& file,
           const char* what) {
  if (error) {
    throw UserError(file.string() + ": expected " + what + ", got: " + error.message());
  }
}

}  // namespace

std::shared_ptr<ssl::context> server_context(const TlsFiles& tls) {
  auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
  context->set_options(ssl::context::default_workarounds | ssl::context::no_sslv2 |
                       ssl::context::no_sslv3 | ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1);
  boost::system::error_code error;
  context->use_certificate_chain_file(tls.certificate.string(), error);
  check(error, tls.certificate, "a certificate in PEM");
  context->use_private_key_file(tls.key.string(), ssl::context::pem, error);
  check(error, tls.key, "the certificate's private key in PEM");
  return context;
}

std::shared_ptr<ssl::context> client_context(const TlsFiles& tls) {
  auto context = std::make_shared<ssl::context>(ssl::context::tls_client);
  context->set_options(ssl::context::default_workarounds | ssl::context::no_tlsv1 |
                       ssl::context::no_tlsv1_1);
  boost::system::error_code error;
  context->load_verify_file(tls.authority.string(), error);
  check(error, tls.authority, "the colony's authority in PEM");
  context->set_verify_mode(ssl::verify_peer);
  return context;
}

ServerContexts::ServerContexts(TlsFiles tls) : tls_(std::move(tls)) {
  if (tls_.empty()) return;
  std::error_code ignored;
  changed_ = std::filesystem::last_write_time(tls_.certificate, ignored);
  context_ = server_context(tls_);
}

std::shared_ptr<ssl::context> ServerContexts::next() {
  if (!context_) return nullptr;
  std::error_code error;
  const auto changed = std::filesystem::last_write_time(tls_.certificate, error);
  if (error || changed == changed_) return context_;
  changed_ = changed;
  try {
    context_ = server_context(tls_);
    logger("base")->info("http: a new certificate from {}", tls_.certificate.string());
  } catch (const UserError& problem) {
    logger("base")->warn("http: the certificate stays as it was: {}", problem.what());
  }
  return context_;
}

}  // namespace rookery::base::detail
