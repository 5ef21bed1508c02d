#include "base/certificates.hpp"

#include "base/error.hpp"

#include <arpa/inet.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <memory>
#include <stdexcept>

namespace rookery::base {

namespace {

using SystemTime = std::chrono::system_clock::time_point;

template <auto free_it>
struct Freer {
  template <typename T>
  void operator()(T* pointer) const {
    free_it(pointer);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freer<X509_free>>;
using Memory = std::unique_ptr<BIO, Freer<BIO_free_all>>;

[[noreturn]] void fail(const char* doing) {
  std::array<char, 256> reason{};
  ERR_error_string_n(ERR_get_error(), reason.data(), reason.size());
  throw std::runtime_error(fmt::format("OpenSSL cannot {}: {}", doing, reason.data()));
}

Memory memory_of(const std::string& text) {
  return Memory(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::string text_of(BIO* memory) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(memory, &data);
  return {data, static_cast<std::size_t>(size)};
}

Certificate parse_certificate(const std::string& pem, const std::string& where) {
  const Memory memory = memory_of(pem);
  Certificate certificate(PEM_read_bio_X509(memory.get(), nullptr, nullptr, nullptr));
  if (!certificate) {
    throw UserError(where + ": expected a certificate in PEM, got something else");
  }
  return certificate;
}

Key parse_key(const std::string& pem, const std::string& where) {
  const Memory memory = memory_of(pem);
  Key key(PEM_read_bio_PrivateKey(memory.get(), nullptr, nullptr, nullptr));
  if (!key) throw UserError(where + ": expected a private key in PEM, got something else");
  return key;
}

bool is_address(const std::string& host) {
  std::array<unsigned char, 16> bytes{};
  return inet_pton(AF_INET, host.c_str(), bytes.data()) == 1 ||
         inet_pton(AF_INET6, host.c_str(), bytes.data()) == 1;
}

/// `DNS:a,IP:1.2.3.4`. The characters are checked: the text is read by OpenSSL's own parser.
std::string subject_names(const std::vector<std::string>& hosts) {
  std::string text;
  for (const std::string& host : hosts) {
    const bool sound =
        !host.empty() && host.size() <= 253 && std::all_of(host.begin(), host.end(), [](char c) {
          return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                 c == '.' || c == '-' || c == ':';
        });
    if (!sound || (host.find(':') != std::string::npos && !is_address(host))) {
      throw UserError("--hosts: expected names or IP addresses of hosts, got '" + host + "'");
    }
    text += (text.empty() ? "" : ",") + std::string(is_address(host) ? "IP:" : "DNS:") + host;
  }
  return text;
}

void add_extension(X509* certificate, X509* issuer, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
  if (extension == nullptr) fail("make a certificate's extension");
  const int added = X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
  if (added != 1) fail("add a certificate's extension");
}

void set_serial(X509* certificate) {
  std::array<unsigned char, 16> random{};
  if (RAND_bytes(random.data(), random.size()) != 1) fail("draw a serial number");
  random[0] &= 0x7FU;  // positive
  BIGNUM* number = BN_bin2bn(random.data(), random.size(), nullptr);
  BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
  BN_free(number);
}

/// Certificate and key; `issuer` null signs itself.
PemPair make(const CertificateOptions& options, X509* issuer, EVP_PKEY* issuer_key) {
  const Key key(EVP_EC_gen("P-256"));
  const Certificate certificate(X509_new());
  if (!key || !certificate) fail("make a key");
  X509* const made = certificate.get();
  X509_set_version(made, X509_VERSION_3);
  set_serial(made);
  const auto from = std::chrono::system_clock::to_time_t(options.from);
  const auto until = std::chrono::system_clock::to_time_t(options.from + options.validity);
  ASN1_TIME_set(X509_getm_notBefore(made), from);
  ASN1_TIME_set(X509_getm_notAfter(made), until);
  X509_set_pubkey(made, key.get());
  X509_NAME* const name = X509_get_subject_name(made);
  X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>("Rookery"), -1, -1, 0);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(options.name.c_str()), -1, -1,
                             0);
  X509* const signer = issuer == nullptr ? made : issuer;
  X509_set_issuer_name(made, X509_get_subject_name(signer));
  add_extension(made, signer, NID_subject_key_identifier, "hash");
  if (issuer == nullptr) {
    add_extension(made, signer, NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
    add_extension(made, signer, NID_key_usage, "critical,keyCertSign,cRLSign");
  } else {
    add_extension(made, signer, NID_authority_key_identifier, "keyid");
    add_extension(made, signer, NID_basic_constraints, "critical,CA:FALSE");
    add_extension(made, signer, NID_key_usage, "critical,digitalSignature");
    add_extension(made, signer, NID_ext_key_usage, "serverAuth,clientAuth");
    if (!options.hosts.empty()) {
      add_extension(made, signer, NID_subject_alt_name, subject_names(options.hosts));
    }
  }
  if (X509_sign(made, issuer == nullptr ? key.get() : issuer_key, EVP_sha256()) == 0) {
    fail("sign a certificate");
  }
  PemPair pair;
  const Memory memory(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_X509(memory.get(), made) != 1) fail("write a certificate");
  pair.certificate = text_of(memory.get());
  const Memory secret(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_PrivateKey(secret.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) !=
      1) {
    fail("write a key");
  }
  pair.key = text_of(secret.get());
  return pair;
}

std::string common_name(const X509_NAME* name) {
  std::array<char, 256> text{};
  X509_NAME_get_text_by_NID(name, NID_commonName, text.data(), text.size());
  return text.data();
}

SystemTime time_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return {};
  return std::chrono::system_clock::from_time_t(timegm(&parts));
}

std::vector<std::string> hosts_of(X509* certificate) {
  std::vector<std::string> hosts;
  auto* const names = static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names, i);
    if (name->type == GEN_DNS) {
      const auto* const text = ASN1_STRING_get0_data(name->d.dNSName);
      hosts.emplace_back(reinterpret_cast<const char*>(text),
                         static_cast<std::size_t>(ASN1_STRING_length(name->d.dNSName)));
    } else if (name->type == GEN_IPADD) {
      std::array<char, INET6_ADDRSTRLEN> text{};
      const bool is_v4 = ASN1_STRING_length(name->d.iPAddress) == 4;
      inet_ntop(is_v4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(name->d.iPAddress), text.data(),
                text.size());
      hosts.emplace_back(text.data());
    }
  }
  GENERAL_NAMES_free(names);
  return hosts;
}

std::string day(SystemTime time) { return fmt::format("{:%Y-%m-%d %H:%M} UTC", fmt::gmtime(time)); }

}  // namespace

PemPair make_authority(const CertificateOptions& options) {
  return make(options, nullptr, nullptr);
}

PemPair issue_certificate(const PemPair& authority, const CertificateOptions& options) {
  const Certificate issuer = parse_certificate(authority.certificate, "the authority");
  const Key key = parse_key(authority.key, "the authority");
  return make(options, issuer.get(), key.get());
}

CertificateFacts read_certificate(const std::string& pem, const std::string& where) {
  const Certificate certificate = parse_certificate(pem, where);
  return {common_name(X509_get_subject_name(certificate.get())),
          common_name(X509_get_issuer_name(certificate.get())), hosts_of(certificate.get()),
          time_of(X509_get0_notBefore(certificate.get())),
          time_of(X509_get0_notAfter(certificate.get()))};
}

void check_certificate(const std::string& pem, const std::string& authority,
                       const std::string& where) {
  const Certificate certificate = parse_certificate(pem, where);
  const Key key = parse_key(pem, where);
  if (X509_check_private_key(certificate.get(), key.get()) != 1) {
    throw UserError(where + ": expected a certificate and its own key, got another key");
  }
  const Certificate issuer = parse_certificate(authority, "the authority of " + where);
  if (X509_verify(certificate.get(), X509_get0_pubkey(issuer.get())) != 1) {
    throw UserError(where +
                    ": expected a certificate of this colony's authority (ca.pem), got one that "
                    "another signed");
  }
  const CertificateFacts facts = read_certificate(pem, where);
  const auto now = std::chrono::system_clock::now();
  if (now < facts.from || now > facts.until) {
    throw UserError(fmt::format(
        "{}: expected a certificate that is valid now ({}), got one from {} to {}; make a new one "
        "with: rookery keys rotate DIR --tls",
        where, day(now), day(facts.from), day(facts.until)));
  }
}

}  // namespace rookery::base
