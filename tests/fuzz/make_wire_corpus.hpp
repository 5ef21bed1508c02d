#pragma once

#include <filesystem>

namespace rookery::fuzz {

/// The first files of the corpora of messages, views, filters and colony files.
void write_messages(const std::filesystem::path& root);

}  // namespace rookery::fuzz
