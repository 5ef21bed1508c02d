#include "retriever_pool/allow_list.hpp"

#include <utility>

#include "base/atomic_file.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "retriever_pool/curve_keys.hpp"

namespace rookery::retriever_pool {

namespace fs = std::filesystem;

AllowList::AllowList(fs::path folder, std::string own)
    : folder_(std::move(folder)), own_(std::move(own)) {
  if (!fs::is_directory(folder_)) {
    throw base::UserError(folder_.string() +
                          ": expected a folder with the clients' public keys, got none; make keys "
                          "with: rookery keys new DIR");
  }
  const std::lock_guard lock(mutex_);
  look(true);
}

bool AllowList::allows(const std::string& key) {
  const std::lock_guard lock(mutex_);
  look(false);
  if (key == own_ || names_.contains(key)) return true;
  look(true);  // it may have been added just now
  return names_.contains(key);
}

std::string AllowList::name_of(const std::string& key) {
  const std::lock_guard lock(mutex_);
  look(false);
  if (key == own_) return "the colony itself";
  const auto found = names_.find(key);
  return found == names_.end() ? "" : found->second;
}

void AllowList::look(bool at_once) {
  const auto now = std::chrono::steady_clock::now();
  if (!at_once && now < next_look_) return;
  next_look_ = now + kLook;
  std::error_code error;
  const auto changed = fs::last_write_time(folder_, error);
  if (error) {  // the folder is gone, and all permission with it
    names_.clear();
    changed_ = {};
    settled_ = false;
    return;
  }
  if (changed == changed_ && settled_) return;
  changed_ = changed;
  // Another change within the same tick of the file system's clock would not move the time.
  settled_ = fs::file_time_type::clock::now() - changed > std::chrono::seconds(1);
  read();
}

void AllowList::read() {
  std::map<std::string, std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder_, error)) {
    if (entry.path().extension() != ".pub") continue;
    try {
      std::string key = base::read_file(entry.path());
      while (!key.empty() && (key.back() == '\n' || key.back() == '\r')) key.pop_back();
      if (is_curve_key(key)) {
        names.emplace(std::move(key), entry.path().stem().string());
      } else {
        base::logger("retriever_pool")
            ->warn("{}: expected a public key of 40 characters, got something else",
                   entry.path().string());
      }
    } catch (const base::UserError& problem) {
      base::logger("retriever_pool")->warn("a client's key is left out: {}", problem.what());
    }
  }
  names_ = std::move(names);
}

}  // namespace rookery::retriever_pool
