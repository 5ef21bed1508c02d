#include "base/atomic_file.hpp"

#include "base/error.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <system_error>

namespace rookery::base {

namespace {

constexpr std::size_t kBufferBytes = 1 << 20;

[[noreturn]] void fail(const std::filesystem::path& path, const char* what, int code) {
  throw UserError(path.string() + ": " + what + ": " + std::generic_category().message(code));
}

void write_fully(const std::filesystem::path& path, int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      fail(path, "cannot be written", errno);
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace

AtomicFile::AtomicFile(std::filesystem::path path)
    : path_(std::move(path)), partial_(path_.string() + ".partial-" + std::to_string(::getpid())) {
  descriptor_ = ::open(partial_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (descriptor_ < 0) fail(path_, "cannot be created", errno);
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!partial_.empty()) ::unlink(partial_.c_str());
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  write(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

void AtomicFile::write(std::string_view text) {
  if (buffer_.size() + text.size() < kBufferBytes) {
    buffer_.append(text);
    return;
  }
  flush_buffer();
  write_fully(path_, descriptor_, text);
}

void AtomicFile::flush_buffer() {
  write_fully(path_, descriptor_, buffer_);
  buffer_.clear();
}

void AtomicFile::commit() {
  flush_buffer();
  if (::fsync(descriptor_) != 0) fail(path_, "cannot be written", errno);
  // Some file systems report a full disk or a lost server only here.
  const int closed = ::close(descriptor_);
  descriptor_ = -1;
  if (closed != 0) fail(path_, "cannot be written", errno);
  if (std::rename(partial_.c_str(), path_.c_str()) != 0)
    fail(path_, "cannot be put in place", errno);
  partial_.clear();
  sync_folder(path_.has_parent_path() ? path_.parent_path() : std::filesystem::path("."));
}

void write_file_atomically(const std::filesystem::path& path, std::string_view text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

std::string read_file(const std::filesystem::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) fail(path, "cannot be read", errno);
  struct stat info {};
  std::string content;
  if (::fstat(descriptor, &info) == 0 && info.st_size > 0) {
    content.reserve(static_cast<std::size_t>(info.st_size) + 1);
  }
  // Files of /proc and pipes state no size, so the end is what `read` says it is.
  for (;;) {
    const auto filled = content.size();
    content.resize(std::max(content.capacity(), filled + 65536));
    const auto got = ::read(descriptor, content.data() + filled, content.size() - filled);
    const int code = errno;
    content.resize(filled + static_cast<std::size_t>(got > 0 ? got : 0));
    if (got == 0) break;
    if (got < 0 && code != EINTR) {
      ::close(descriptor);
      fail(path, "cannot be read", code);
    }
  }
  ::close(descriptor);
  return content;
}

void sync_folder(const std::filesystem::path& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) fail(folder, "the folder cannot be opened", errno);
  const int synced = ::fsync(descriptor);
  const int code = errno;
  ::close(descriptor);
  // EINVAL: this file system has no fsync of folders, and so nothing to wait for.
  if (synced != 0 && code != EINVAL) fail(folder, "the folder cannot be synced", code);
}

}  // namespace rookery::base
