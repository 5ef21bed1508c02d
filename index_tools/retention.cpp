#include "index_tools/retention.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "base/atomic_file.hpp"
#include "base/error.hpp"
#include "index_tools/detail/publish.hpp"
#include "index_tools/snapshot.hpp"

namespace rookery::index_tools {
namespace fs = std::filesystem;
namespace {

constexpr const char* kRemoving = ".removing-";

/// Somebody holds the lock of a work folder. The file is looked at, never made.
bool is_locked(const fs::path& file) {
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return false;
  const bool locked = ::flock(descriptor, LOCK_SH | LOCK_NB) != 0;
  ::close(descriptor);
  return locked;
}

bool is_generation(const fs::path& folder) {
  std::error_code error;
  const std::string name = folder.filename().string();
  return name.find_first_not_of("0123456789abcdef") == std::string::npos &&
         fs::exists(folder / "manifest.json", error);
}

void remove_folder(const fs::path& folder) {
  std::error_code error;
  fs::remove_all(folder, error);
  if (error) throw base::UserError(folder.string() + ": cannot be removed: " + error.message());
}

std::string current_of(const fs::path& name) {
  std::error_code error;
  if (!fs::exists(name / "CURRENT", error)) return {};
  std::string text = base::read_file(name / "CURRENT");
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  return text;
}

struct Kept {
  fs::file_time_type written;
  std::string generation;
};

}  // namespace

std::vector<std::string> remove_old_generations(const fs::path& name, std::int32_t keep,
                                                const std::set<std::string>& in_use) {
  std::vector<Kept> generations;
  std::vector<fs::path> leftovers;
  bool building = false;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(name, error)) {
    const std::string folder = entry.path().filename().string();
    if (folder.starts_with(kRemoving)) {
      leftovers.push_back(entry.path());
    } else if (folder.starts_with('.')) {
      building = building || is_locked(entry.path() / "lock");
    } else if (is_generation(entry.path())) {
      generations.push_back({fs::last_write_time(entry.path() / "manifest.json", error), folder});
    }
  }
  for (const fs::path& leftover : leftovers) remove_folder(leftover);
  if (keep <= 0 || building) return {};
  std::sort(generations.begin(), generations.end(), [](const Kept& a, const Kept& b) {
    return std::pair{a.written, a.generation} > std::pair{b.written, b.generation};
  });
  const std::string current = current_of(name);
  std::vector<std::string> removed;
  for (std::size_t i = static_cast<std::size_t>(keep); i < generations.size(); ++i) {
    const std::string& generation = generations[i].generation;
    if (generation == current || in_use.contains(generation)) continue;
    const fs::path hidden = name / (kRemoving + generation);
    fs::rename(name / generation, hidden, error);
    if (error) {
      throw base::UserError((name / generation).string() +
                            ": cannot be removed: " + error.message());
    }
    base::sync_folder(name);
    remove_folder(hidden);
    removed.push_back(generation);
  }
  return removed;
}

void set_current_generation(const fs::path& name, const std::string& generation) {
  if (!is_generation(name / generation)) {
    throw base::UserError((name / generation).string() + ": expected a generation, found none");
  }
  if (current_of(name) != generation) detail::point_current(name, generation);
}

}  // namespace rookery::index_tools
