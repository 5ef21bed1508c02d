#pragma once

#include <span>
#include <string_view>

namespace rookery::actors::detail {

struct DashboardFile {
  std::string_view path, content_type, content;
};

/// The files of `actors/dashboard`; the build makes the source from them.
std::span<const DashboardFile> dashboard_files();

}  // namespace rookery::actors::detail
