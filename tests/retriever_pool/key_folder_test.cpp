#include "retriever_pool/key_folder.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "base/atomic_file.hpp"
#include "base/certificates.hpp"
#include "base/error.hpp"
#include "base/secret_file.hpp"
#include "tests/support/error_text.hpp"
#include "tests/support/temp_folder.hpp"

namespace rookery::retriever_pool {
namespace {

namespace fs = std::filesystem;
using rookery::testing::error_text;

unsigned mode_of(const fs::path& path) {
  struct stat status {};
  EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
  return static_cast<unsigned>(status.st_mode) & 07777U;
}

class KeyFolderTest : public ::testing::Test {
 protected:
  rookery::testing::TempFolder folder;
  fs::path at = folder / "keys";
  KeyFolder keys = KeyFolder::create(at, {});
};

TEST_F(KeyFolderTest, IsOneFolderWhoseSecretsOnlyTheOwnerReads) {
  const fs::path file = keys.add_client("trainer");

  EXPECT_EQ(mode_of(at), 0700U);
  for (const char* secret : {"ca.key", "colony.pem", "server.key"}) {
    EXPECT_EQ(mode_of(at / secret), 0600U) << secret;
  }
  EXPECT_EQ(mode_of(file), 0600U);
  EXPECT_EQ(KeyFolder::open(at).server_keys().public_key, keys.server_keys().public_key);
}

TEST_F(KeyFolderTest, IsNeverReplacedUnlessToldTo) {
  const auto before = keys.server_keys().public_key;

  EXPECT_NE(error_text([&] { KeyFolder::create(at, {}); }).find("--force"), std::string::npos);
  EXPECT_EQ(KeyFolder::open(at).server_keys().public_key, before);
  KeyFolderOptions force;
  force.force = true;
  EXPECT_NE(KeyFolder::create(at, force).server_keys().public_key, before);
  EXPECT_NE(error_text([&] {
              keys.add_client("a");
              keys.add_client("a");
            }).find("--force"),
            std::string::npos);
}

TEST_F(KeyFolderTest, RefusesASecretThatOthersCanReadNamingTheRemedy) {
  keys.add_client("trainer");
  for (const fs::path& secret :
       {at / "ca.key", at / "colony.pem", at / "server.key", at / "clients/trainer.key"}) {
    ASSERT_EQ(::chmod(secret.c_str(), 0644), 0);
    const std::string text = error_text([&] { KeyFolder::open(at); });
    EXPECT_NE(text.find("mode 0600, got mode 0644"), std::string::npos) << text;
    EXPECT_NE(text.find("chmod 600 " + fs::absolute(secret).string()), std::string::npos) << text;
    ASSERT_EQ(::chmod(secret.c_str(), 0600), 0);
  }
  EXPECT_EQ(error_text([&] { KeyFolder::open(at); }), "(no error)");
}

TEST_F(KeyFolderTest, GivesAClientItsPairAndTheServersPublicKey) {
  const CurveClientKeys client = read_client_keys(keys.add_client("trainer"));

  EXPECT_EQ(client.server_public, keys.server_keys().public_key);
  EXPECT_EQ(curve_public_key(client.secret_key), client.public_key);
  EXPECT_EQ(base::read_file(at / "allowed/trainer.pub"), client.public_key + "\n");
}

TEST_F(KeyFolderTest, RefusesNamesThatAreNoFileNamesAndFilesThatAreNoKeys) {
  EXPECT_NE(error_text([&] { keys.add_client("../x"); }), "(no error)");
  EXPECT_NE(error_text([&] { keys.revoke("nobody"); }).find("there are none"), std::string::npos);
  base::write_secret(folder / "noise", "noise");
  EXPECT_NE(error_text([&] {
              read_client_keys(folder / "noise");
            }).find("expected a key file made by rookery keys"),
            std::string::npos);
  base::write_secret(folder / "half", R"({"public": "x"})");
  EXPECT_NE(error_text([&] { read_client_keys(folder / "half"); }).find("40 characters"),
            std::string::npos);
  EXPECT_NE(error_text([&] { read_client_keys(folder / "none"); }).find("cannot be read"),
            std::string::npos);
}

TEST_F(KeyFolderTest, ANewCertificateIsOfTheSameAuthorityForTheSameHosts) {
  const std::string before = base::read_secret(at / "colony.pem");

  keys.rotate_tls(std::chrono::hours(24));

  const std::string after = base::read_secret(at / "colony.pem");
  EXPECT_NE(before, after);
  EXPECT_EQ(base::read_certificate(before, "before").hosts,
            base::read_certificate(after, "after").hosts);
  EXPECT_EQ(error_text([&] { KeyFolder::open(at); }), "(no error)");
}

TEST_F(KeyFolderTest, ANewServerPairIsInEveryClientsFile) {
  const fs::path file = keys.add_client("trainer");
  const CurveClientKeys before = read_client_keys(file);

  keys.rotate_curve();

  const CurveClientKeys after = read_client_keys(file);
  EXPECT_EQ(after.public_key, before.public_key);
  EXPECT_NE(after.server_public, before.server_public);
  EXPECT_EQ(after.server_public, KeyFolder::open(at).server_keys().public_key);
}

TEST_F(KeyFolderTest, RefusesAnExpiredCertificateAndOneOfAnotherAuthority) {
  base::CertificateOptions options;
  options.name = "colony";
  options.from = std::chrono::system_clock::now() - std::chrono::hours(48);
  options.validity = std::chrono::hours(24);
  const auto expired = base::issue_certificate(
      {base::read_file(at / "ca.pem"), base::read_secret(at / "ca.key")}, options);
  base::write_secret(at / "colony.pem", expired.certificate + expired.key);
  const std::string text = error_text([&] { KeyFolder::open(at); });
  EXPECT_NE(text.find("rookery keys rotate DIR --tls"), std::string::npos) << text;

  EXPECT_EQ(error_text([&] { KeyFolder::renew_certificate(at, std::chrono::hours(24)); }),
            "(no error)");

  const KeyFolder other = KeyFolder::create(folder / "other", {});
  fs::copy_file(other.path() / "colony.pem", at / "colony.pem",
                fs::copy_options::overwrite_existing);
  EXPECT_NE(error_text([&] { KeyFolder::open(at); }).find("another signed"), std::string::npos);
}

TEST_F(KeyFolderTest, TellsItsPublicPartsOnly) {
  const CurveClientKeys client = read_client_keys(keys.add_client("trainer"));

  const std::string text = keys.describe();

  EXPECT_NE(text.find(client.public_key), std::string::npos);
  EXPECT_EQ(text.find(client.secret_key), std::string::npos);
  EXPECT_EQ(text.find(keys.server_keys().secret_key), std::string::npos);
  EXPECT_EQ(text.find("PRIVATE"), std::string::npos);
}

TEST_F(KeyFolderTest, ClientsFindTheirKeysByFlagEnvironmentOrTheColonysRecord) {
  const fs::path a = keys.add_client("a"), b = keys.add_client("b");
  ::unsetenv("ROOKERY_KEYS");
  EXPECT_TRUE(find_client_keys("").empty());
  EXPECT_EQ(find_client_keys("", at).public_key, keys.server_keys().public_key);
  ::setenv("ROOKERY_KEYS", b.c_str(), 1);
  EXPECT_EQ(find_client_keys("", at).public_key, read_client_keys(b).public_key);
  EXPECT_EQ(find_client_keys(a, at).public_key, read_client_keys(a).public_key);
  ::unsetenv("ROOKERY_KEYS");
}

}  // namespace
}  // namespace rookery::retriever_pool
