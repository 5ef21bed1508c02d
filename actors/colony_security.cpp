#include "actors/colony_security.hpp"

#include <cstdlib>

#include "actors/colony_folder.hpp"
#include "actors/pool_options.hpp"
#include "base/error.hpp"
#include "base/option_reader.hpp"
#include "retriever_pool/key_folder.hpp"

namespace rookery::actors {

ColonySecurity ColonySecurity::open(const std::filesystem::path& folder) {
  if (folder.empty()) return {};
  const auto keys = retriever_pool::KeyFolder::open(folder);
  return {keys.path(), keys.server_keys(), keys.own_client_keys(), keys.tls()};
}

ColonySecurity ColonySecurity::find(const std::filesystem::path& given, const std::string& colony) {
  if (!given.empty()) return open(given);
  const char* const environment = std::getenv("ROOKERY_KEYS");
  if (environment != nullptr && std::filesystem::is_directory(environment)) {
    return open(environment);
  }
  if (colony.empty()) return {};
  const auto head = ColonyFolder(colony).head();
  return open(head ? std::filesystem::path(head->keys) : std::filesystem::path());
}

void check_listen(const std::string& where, const std::string& address,
                  const ColonySecurity& security, bool insecure) {
  if (insecure || !security.empty() || is_loopback(address)) return;
  throw base::UserError(
      where + ": expected an address in 127.0.0.0/8 for ports without keys, got '" + address +
      "'; make keys with rookery keys new DIR and give --keys DIR, or, in a "
      "network you trust, add --insecure");
}

}  // namespace rookery::actors
