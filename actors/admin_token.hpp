#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace rookery::actors {

/// What a request's token is worth.
enum class TokenVerdict {
  kAllowed,
  kMissing,  ///< no `Authorization: Bearer …`: HTTP 401
  kWrong,    ///< 401
  kTooMany,  ///< wrong, and so were many others of the last minute: 429
};

/// The secret that admin actions need: 64 hexadecimal digits in `FOLDER/admin.token`, mode 0600. It
/// is read again when the file is replaced. Any thread may call.
class AdminToken {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::size_t kWrongMax = 10;  ///< a minute; further ones are `kTooMany`

  /// Makes the token where there is none. Throws `UserError` for a file of another mode than 0600,
  /// naming `chmod 600`, or one that holds no token.
  static AdminToken load_or_create(const std::filesystem::path& folder);
  /// Replaces `FOLDER/admin.token` by a new one; a running head takes it at once.
  static void renew(const std::filesystem::path& folder);

  /// `authorization` is the HTTP header of that name as it came. The comparison takes the same time
  /// wherever the two differ. The right token is allowed however many wrong ones came before it.
  [[nodiscard]] TokenVerdict check(std::string_view authorization,
                                   Time now = std::chrono::steady_clock::now()) const;
  /// What to send as `Authorization` with a request.
  [[nodiscard]] std::string authorization() const;
  [[nodiscard]] const std::filesystem::path& file() const { return file_; }

 private:
  explicit AdminToken(std::filesystem::path file) : file_(std::move(file)) {}
  void refresh() const;

  std::filesystem::path file_;
  struct State {
    std::mutex mutex;
    std::string token;
    std::uint64_t inode = 0;
    std::int64_t changed_ns = 0;
    std::deque<Time> wrong;  ///< of the last minute, at most kWrongMax
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();  ///< copies are the same token
};

}  // namespace rookery::actors
