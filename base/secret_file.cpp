#include "base/secret_file.hpp"

#include "base/atomic_file.hpp"
#include "base/error.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <stdexcept>
#include <system_error>
#include <vector>

namespace rookery::base {

namespace {

namespace fs = std::filesystem;

constexpr off_t kSecretBytesMax = 64 << 10;

[[noreturn]] void fail(const fs::path& path, const char* what, int code) {
  throw UserError(path.string() + ": " + what + ": " + std::generic_category().message(code));
}

/// An open descriptor, closed at the end.
struct Descriptor {
  explicit Descriptor(int number) : value(number) {}
  ~Descriptor() {
    if (value >= 0) ::close(value);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int value;
};

/// The size of a secret that is as it should be. What was checked is what is read: one descriptor.
off_t check_open(int descriptor, const fs::path& path) {
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) fail(path, "cannot be read", errno);
  if (!S_ISREG(status.st_mode)) {
    throw UserError(path.string() + ": expected a plain file with a secret, got something else");
  }
  const auto mode = static_cast<unsigned>(status.st_mode) & 07777U;
  if (mode != 0600U && mode != 0400U) {
    throw UserError(fmt::format(
        "{0}: expected a secret that only its owner can read, mode 0600, got mode {1:04o}; "
        "mend it with: chmod 600 {0}",
        path.string(), mode));
  }
  if (status.st_uid != ::geteuid() && status.st_uid != 0) {
    throw UserError(fmt::format("{}: expected a secret of this user (uid {}), got one of uid {}",
                                path.string(), ::geteuid(), status.st_uid));
  }
  if (status.st_size > kSecretBytesMax) {
    throw UserError(fmt::format("{}: expected a secret of at most {} bytes, got {}", path.string(),
                                kSecretBytesMax, status.st_size));
  }
  return status.st_size;
}

}  // namespace

std::string read_secret(const fs::path& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.value < 0) fail(path, "cannot be read", errno);
  std::string text(static_cast<std::size_t>(check_open(file.value, path)), '\0');
  std::size_t got = 0;
  while (got < text.size()) {
    const auto count = ::read(file.value, text.data() + got, text.size() - got);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail(path, "cannot be read", errno);
    if (count == 0) break;
    got += static_cast<std::size_t>(count);
  }
  text.resize(got);
  return text;
}

void check_secret(const fs::path& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.value < 0) fail(path, "cannot be read", errno);
  check_open(file.value, path);
}

void write_secret(const fs::path& path, std::string_view text) {
  const fs::path partial = path.string() + ".partial-" + std::to_string(::getpid());
  ::unlink(partial.c_str());  // of a process with our pid that died here
  const auto give_up = [&](int code) {
    ::unlink(partial.c_str());
    fail(path, "cannot be written", code);
  };
  {
    const Descriptor file(::open(partial.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (file.value < 0) fail(path, "cannot be created", errno);
    // The umask may have taken bits away, never added one.
    if (::fchmod(file.value, 0600) != 0) give_up(errno);
    while (!text.empty()) {
      const auto written = ::write(file.value, text.data(), text.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) give_up(errno);
      text.remove_prefix(static_cast<std::size_t>(written));
    }
    if (::fsync(file.value) != 0) give_up(errno);
  }
  if (std::rename(partial.c_str(), path.c_str()) != 0) give_up(errno);
  sync_folder(path.has_parent_path() ? path.parent_path() : fs::path("."));
}

void make_secret_folder(const fs::path& folder) {
  std::error_code error;
  if (folder.has_parent_path()) fs::create_directories(folder.parent_path(), error);
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
    fail(folder, "cannot be created", errno);
  }
  struct stat status {};
  if (::stat(folder.c_str(), &status) != 0) fail(folder, "cannot be read", errno);
  const auto mode = static_cast<unsigned>(status.st_mode) & 07777U;
  if (!S_ISDIR(status.st_mode) || (mode & 022U) != 0) {
    throw UserError(fmt::format(
        "{0}: expected a folder that only its owner can write, mode 0700, got mode {1:04o}; mend "
        "it with: chmod 700 {0}",
        folder.string(), mode));
  }
}

bool secrets_equal(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string random_hex(std::size_t bytes) {
  std::vector<unsigned char> random(bytes);
  if (RAND_bytes(random.data(), static_cast<int>(bytes)) != 1) {
    throw std::runtime_error("the operating system gives no random numbers");
  }
  std::string text;
  for (const unsigned char byte : random) text += fmt::format("{:02x}", byte);
  return text;
}

}  // namespace rookery::base
