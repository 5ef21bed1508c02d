#pragma once

#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

namespace rookery::index_tools {

/// Removes old generations of the snapshot `name`: the `keep` newest stay (0: all do), and always
/// the one that `CURRENT` names and those in `in_use`. While something is being built there, which
/// may read from any of them, nothing is removed. A generation goes by a rename to a hidden name
/// and is deleted under that, so that no half of it is ever seen; what a kill left under such a
/// name is deleted by the next call. Returns the generations that were removed. Throws `UserError`
/// for what cannot be removed, naming it.
std::vector<std::string> remove_old_generations(const std::filesystem::path& name,
                                                std::int32_t keep,
                                                const std::set<std::string>& in_use);

/// Lets `CURRENT` of the snapshot `name` name `generation`, in one step. Throws `UserError` when
/// that is not there.
void set_current_generation(const std::filesystem::path& name, const std::string& generation);

}  // namespace rookery::index_tools
