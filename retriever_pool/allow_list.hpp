#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <string>

namespace rookery::retriever_pool {

/// The public keys that may connect: a file `NAME.pub` each (40 characters of Z85) in one folder.
/// The folder is looked at again when it has changed, so that a key that is added counts
/// at once and one that is withdrawn within `kLook`. Any thread may ask.
class AllowList {
 public:
  static constexpr std::chrono::milliseconds kLook{200};
  /// `own` is always allowed: the colony's processes are each other's clients. Throws `UserError`
  /// when the folder cannot be read.
  AllowList(std::filesystem::path folder, std::string own);
  [[nodiscard]] bool allows(const std::string& key);
  /// The client's name, for logs; empty for keys that are not there.
  [[nodiscard]] std::string name_of(const std::string& key);

 private:
  void look(bool at_once);
  void read();
  std::filesystem::path folder_;
  std::string own_;
  std::mutex mutex_;
  std::map<std::string, std::string> names_;  // by key
  std::chrono::steady_clock::time_point next_look_{};
  std::filesystem::file_time_type changed_{};
  bool settled_ = false;  // read long enough after the change to have seen all of it
};

}  // namespace rookery::retriever_pool
