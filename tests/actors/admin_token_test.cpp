#include "actors/admin_token.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <string>

#include "base/atomic_file.hpp"
#include "base/error.hpp"
#include "tests/support/error_text.hpp"
#include "tests/support/temp_folder.hpp"

namespace rookery::actors {
namespace {

using namespace std::chrono_literals;
using testing::TempFolder;

unsigned mode_of(const std::filesystem::path& path) {
  struct stat status {};
  EXPECT_EQ(::stat(path.c_str(), &status), 0);
  return static_cast<unsigned>(status.st_mode) & 07777U;
}

class AdminTokenTest : public ::testing::Test {
 protected:
  TempFolder folder;
  AdminToken::Time now{};
};

TEST_F(AdminTokenTest, IsMadeOnceForTheOwnerOnlyAndAllowsWhoeverHasIt) {
  const auto token = AdminToken::load_or_create(folder.path());
  const auto again = AdminToken::load_or_create(folder.path());

  EXPECT_EQ(mode_of(token.file()), 0600U);
  EXPECT_EQ(token.authorization(), again.authorization());
  EXPECT_EQ(token.check(again.authorization(), now), TokenVerdict::kAllowed);
}

TEST_F(AdminTokenTest, RefusesWhatIsNotTheToken) {
  const auto token = AdminToken::load_or_create(folder.path());
  std::string near = token.authorization();
  near.back() = near.back() == '0' ? '1' : '0';

  EXPECT_EQ(token.check("", now), TokenVerdict::kMissing);
  EXPECT_EQ(token.check("Basic abc", now), TokenVerdict::kMissing);
  EXPECT_EQ(token.check("Bearer ", now), TokenVerdict::kWrong);
  EXPECT_EQ(token.check(near, now), TokenVerdict::kWrong);
  EXPECT_EQ(token.check(token.authorization() + "0", now), TokenVerdict::kWrong);
}

TEST_F(AdminTokenTest, LimitsWrongOnesAMinuteAndNeverTheRightOne) {
  const auto token = AdminToken::load_or_create(folder.path());
  for (std::size_t i = 0; i < AdminToken::kWrongMax; ++i) {
    EXPECT_EQ(token.check("Bearer x", now), TokenVerdict::kWrong);
  }

  EXPECT_EQ(token.check("Bearer x", now + 59s), TokenVerdict::kTooMany);
  EXPECT_EQ(token.check(token.authorization(), now + 59s), TokenVerdict::kAllowed);
  EXPECT_EQ(token.check("Bearer x", now + 60s), TokenVerdict::kWrong);
}

TEST_F(AdminTokenTest, TakesARenewedTokenWhileItRuns) {
  const auto token = AdminToken::load_or_create(folder.path());
  const auto old = token.authorization();

  AdminToken::renew(folder.path());

  EXPECT_EQ(token.check(old, now), TokenVerdict::kWrong);
  EXPECT_EQ(token.check(AdminToken::load_or_create(folder.path()).authorization(), now),
            TokenVerdict::kAllowed);
}

TEST_F(AdminTokenTest, RefusesAFileThatOthersCanReadOrThatHoldsNoToken) {
  const auto file = AdminToken::load_or_create(folder.path()).file();
  ASSERT_EQ(::chmod(file.c_str(), 0640), 0);
  EXPECT_EQ(testing::error_text([&] { AdminToken::load_or_create(folder.path()); }),
            file.string() +
                ": expected a secret that only its owner can read, mode 0600, got mode 0640; mend "
                "it with: chmod 600 " +
                file.string());
  base::write_file_atomically(file, "secret\n");
  ASSERT_EQ(::chmod(file.c_str(), 0600), 0);
  EXPECT_THROW(AdminToken::load_or_create(folder.path()), base::UserError);
}

}  // namespace
}  // namespace rookery::actors
