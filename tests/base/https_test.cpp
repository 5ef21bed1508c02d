// TLS on the HTTP server and client.
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "base/atomic_file.hpp"
#include "base/certificates.hpp"
#include "base/http_server.hpp"
#include "base/secret_file.hpp"
#include "tests/support/error_text.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/silent_clients.hpp"
#include "tests/support/temp_folder.hpp"

namespace rookery::base {
namespace {

using namespace std::chrono_literals;
using rookery::testing::error_text;
using rookery::testing::eventually;
using rookery::testing::SilentClients;

constexpr auto kPatience = 20s;

void hello(const HttpRequest& request, HttpReply& reply) {
  if (request.path == "/stream") {
    reply.begin_stream(200, "text/plain");
    reply.send("one ");
    reply.send("two");
    return;
  }
  reply.respond(200, "text/plain", "hello " + request.body);
}

class HttpsTest : public ::testing::Test {
 protected:
  rookery::testing::TempFolder folder;
  PemPair authority = make_authority({.name = "test authority"});
  TlsFiles files{folder / "colony.pem", folder / "colony.pem", folder / "ca.pem"};

  void SetUp() override {
    write_file_atomically(files.authority, authority.certificate);
    issue(authority, std::chrono::system_clock::now() - 1h);
  }
  void issue(const PemPair& by, std::chrono::system_clock::time_point from) {
    const PemPair made = issue_certificate(
        by, {.name = "colony", .hosts = {"localhost"}, .validity = 24h, .from = from});
    write_secret(files.certificate, made.certificate + made.key);
  }
  [[nodiscard]] HttpServerOptions options() const {
    HttpServerOptions made;
    made.tls = files;
    return made;
  }
  static HttpAnswer get(const HttpServer& server, const TlsFiles& tls,
                        const std::string& path = "/") {
    return http_request(server.address(), {"POST", path, "", "text/plain", "you"}, kPatience, tls);
  }
};

TEST_F(HttpsTest, AnswersAndStreamsOverTls) {
  const HttpServer server(options(), hello);

  EXPECT_EQ(get(server, files).body, "hello you");
  EXPECT_EQ(get(server, files, "/stream").body, "one two");
}

TEST_F(HttpsTest, AClientRefusesAnotherAuthoritysAndAnExpiredCertificate) {
  TlsFiles other = files;
  other.authority = folder / "other.pem";
  write_file_atomically(other.authority, make_authority({.name = "another"}).certificate);
  {
    const HttpServer server(options(), hello);
    const std::string text = error_text([&] { get(server, other); });
    EXPECT_NE(text.find("cannot agree on TLS: certificate verify failed"), std::string::npos)
        << text;
  }
  issue(authority, std::chrono::system_clock::now() - 48h);
  const HttpServer server(options(), hello);
  const std::string text = error_text([&] { get(server, files); });
  EXPECT_NE(text.find("cannot agree on TLS"), std::string::npos) << text;
}

TEST_F(HttpsTest, PlainAndTlsDoNotTalkToEachOther) {
  const HttpServer server(options(), hello);
  const HttpServer plain({}, hello);

  EXPECT_NE(error_text([&] { get(server, {}); }), "(no error)");
  EXPECT_NE(error_text([&] { get(plain, files); }), "(no error)");
  EXPECT_EQ(get(server, files).body, "hello you");
}

TEST_F(HttpsTest, TakesANewCertificateWithoutARestart) {
  const HttpServer server(options(), hello);
  EXPECT_EQ(get(server, files).body, "hello you");
  const PemPair next = make_authority({.name = "next authority"});
  TlsFiles trusted = files;
  trusted.authority = folder / "next.pem";
  write_file_atomically(trusted.authority, next.certificate);

  issue(next, std::chrono::system_clock::now() - 1h);

  EXPECT_EQ(get(server, trusted).body, "hello you");
  EXPECT_NE(error_text([&] { get(server, files); }), "(no error)");
}

TEST_F(HttpsTest, NamesAFileThatIsNoCertificate) {
  write_secret(files.certificate, "noise");
  EXPECT_NE(error_text([&] {
              HttpServer server(options(), hello);
            }).find(files.certificate.string() + ": expected a certificate in PEM"),
            std::string::npos);
}

TEST_F(HttpsTest, ManySilentConnectionsKeepNobodyOut) {
  const auto descriptors = [] {
    const std::filesystem::directory_iterator all("/proc/self/fd");
    return std::distance(begin(all), end(all));
  };
  for (const bool tls : {true, false}) {
    const HttpServer server(tls ? options() : HttpServerOptions{}, hello);
    const auto before = descriptors();
    {
      const SilentClients silent(server.port(), 120);
      for (int i = 0; i < 10; ++i) EXPECT_EQ(get(server, tls ? files : TlsFiles{}).status, 200);
    }
    EXPECT_TRUE(eventually([&] { return descriptors() <= before + 2; })) << descriptors();
  }
}

TEST_F(HttpsTest, SilentConnectionsAreClosedAlsoWhereThereIsRoom) {
  const HttpServer secure(options(), hello), plain({}, hello);
  SilentClients secure_clients(secure.port(), 20), plain_clients(plain.port(), 20);
  ASSERT_EQ(secure_clients.open() + plain_clients.open(), 40U);

  EXPECT_TRUE(eventually([&] { return secure_clients.open() + plain_clients.open() == 0; }))
      << secure_clients.open() << " " << plain_clients.open();
}

}  // namespace
}  // namespace rookery::base
