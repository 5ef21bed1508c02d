#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

namespace rookery::base {

/// The whole of a file that only its owner may read: mode 0600 (or 0400), a plain file of at most
/// 64 KiB, owned by this user or root. Throws `UserError` that names path, what was expected, what
/// was found and the remedy (`chmod 600 PATH`).
std::string read_secret(const std::filesystem::path& path);

/// Refuses what `read_secret` would, without reading it.
void check_secret(const std::filesystem::path& path);

/// Writes a file of mode 0600 in one atomic step; it never exists with another mode. Throws
/// `UserError` naming path and reason.
void write_secret(const std::filesystem::path& path, std::string_view text);

/// Makes a folder of mode 0700 (and its parents as usual). Throws `UserError` when it exists with a
/// mode that lets others write into it.
void make_secret_folder(const std::filesystem::path& folder);

/// Are they equal? Looks at every byte, so that the time tells nothing of where they differ; the
/// length is no secret.
bool secrets_equal(std::string_view a, std::string_view b);

/// `bytes` random bytes of the operating system as hexadecimal digits.
std::string random_hex(std::size_t bytes);

}  // namespace rookery::base
