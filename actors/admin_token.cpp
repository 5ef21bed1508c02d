#include "actors/admin_token.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/secret_file.hpp"

namespace rookery::actors {

namespace {

constexpr std::size_t kTokenBytes = 32;
constexpr std::size_t kTokenDigits = 2 * kTokenBytes;
constexpr std::string_view kScheme = "Bearer ";
constexpr auto kWindow = std::chrono::minutes(1);

std::string read_token(const std::filesystem::path& file) {
  std::string text = base::read_secret(file);
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  const bool sound =
      text.size() == kTokenDigits && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
      });
  if (!sound) {
    throw base::UserError(file.string() + ": expected a token of " + std::to_string(kTokenDigits) +
                          " hexadecimal digits, got something else; delete the file to have a new "
                          "one made");
  }
  return text;
}

}  // namespace

AdminToken AdminToken::load_or_create(const std::filesystem::path& folder) {
  AdminToken token(folder / "admin.token");
  if (!std::filesystem::exists(token.file_)) renew(folder);
  token.refresh();
  if (token.state_->token.empty()) token.state_->token = read_token(token.file_);
  return token;
}

void AdminToken::renew(const std::filesystem::path& folder) {
  base::write_secret(folder / "admin.token", base::random_hex(kTokenBytes) + "\n");
}

void AdminToken::refresh() const {
  struct stat status {};
  if (::stat(file_.c_str(), &status) != 0) return;  // the last one holds
  const auto changed = std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec;
  const std::lock_guard lock(state_->mutex);
  if (state_->inode == status.st_ino && state_->changed_ns == changed) return;
  const bool first = state_->token.empty();
  try {
    state_->token = read_token(file_);
  } catch (const base::UserError& error) {
    if (first) throw;
    base::logger("actors")->warn("the admin token stays as it was: {}", error.what());
  }
  state_->inode = status.st_ino;
  state_->changed_ns = changed;
}

TokenVerdict AdminToken::check(std::string_view authorization, Time now) const {
  refresh();
  if (!authorization.starts_with(kScheme)) return TokenVerdict::kMissing;
  const std::string_view given = authorization.substr(kScheme.size());
  const std::lock_guard lock(state_->mutex);
  if (base::secrets_equal(given, state_->token)) return TokenVerdict::kAllowed;
  std::deque<Time>& wrong = state_->wrong;
  while (!wrong.empty() && now - wrong.front() >= kWindow) wrong.pop_front();
  if (wrong.size() >= kWrongMax) return TokenVerdict::kTooMany;
  if (wrong.empty()) base::logger("actors")->warn("a request came with a wrong admin token");
  wrong.push_back(now);
  return TokenVerdict::kWrong;
}

std::string AdminToken::authorization() const {
  refresh();
  const std::lock_guard lock(state_->mutex);
  return std::string(kScheme) + state_->token;
}

}  // namespace rookery::actors
