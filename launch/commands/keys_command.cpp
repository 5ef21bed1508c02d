#include <CLI/CLI.hpp>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "actors/admin_token.hpp"
#include "actors/colony_folder.hpp"
#include "base/error.hpp"
#include "launch/commands.hpp"
#include "retriever_pool/key_folder.hpp"

namespace rookery::launch {

namespace {

using retriever_pool::KeyFolder;

struct Keys {
  std::string folder, name, token;  ///< `token`: of which colony
  std::vector<std::string> hosts = {"localhost", "127.0.0.1"};
  std::int32_t days = 365;
  bool force = false, tls = false, curve = false;
};

std::chrono::hours validity(const Keys& keys) { return std::chrono::hours(24) * keys.days; }

void make(const Keys& keys) {
  retriever_pool::KeyFolderOptions options;
  options.hosts = keys.hosts;
  options.validity = validity(keys);
  options.force = keys.force;
  const auto folder = KeyFolder::create(keys.folder, options);
  std::printf(
      "%s holds the colony's keys. Next:\n"
      "  pool.keys: %s            in the colony's file\n"
      "  rookery keys client %s trainer   a key for a client on another host\n",
      folder.path().c_str(), folder.path().c_str(), keys.folder.c_str());
}

void client(const Keys& keys) {
  const auto file = KeyFolder::open(keys.folder).add_client(keys.name, keys.force);
  std::printf(
      "%s may connect from now on. Carry this file to its host, mode 0600, and use it there:\n"
      "  %s\n  rookery query tcp://HOST:PORT \"a text\" --keys %s.key\n",
      keys.name.c_str(), file.c_str(), keys.name.c_str());
}

void rotate(const Keys& keys) {
  if (!keys.tls && !keys.curve && keys.token.empty()) {
    throw base::UserError(
        "keys rotate: expected --tls, --curve or --token COLONY, got none of them");
  }
  // The certificate may be what has expired: then the rest is opened after it.
  const auto folder = keys.tls ? KeyFolder::renew_certificate(keys.folder, validity(keys))
                               : KeyFolder::open(keys.folder);
  if (keys.tls) std::printf("new certificate: taken for every new connection, nothing restarts\n");
  if (!keys.token.empty()) {
    actors::AdminToken::renew(actors::ColonyFolder::find(keys.token).path());
    std::printf("new admin token: the head takes it at once\n");
  }
  if (keys.curve) {
    folder.rotate_curve();
    std::printf(
        "new server key: carry the files in %s to the clients, then restart the colony (rookery "
        "down, rookery up); clients with the old files cannot reach it from then on\n",
        (folder.path() / "clients").c_str());
  }
}

}  // namespace

void add_keys_command(CLI::App& app) {
  auto* command = app.add_subcommand(
      "keys", "Keys of a colony whose ports other hosts reach: make, add, rotate");
  command->require_subcommand(1);
  command->footer(
      "Example: rookery keys new ~/wiki-keys --hosts head.example,10.0.0.5\n"
      "         rookery keys client ~/wiki-keys trainer\n"
      "         rookery keys rotate ~/wiki-keys --tls");
  const auto keys = std::make_shared<Keys>();
  const auto add = [&](const char* name, const char* help) {
    auto* sub = command->add_subcommand(name, help);
    sub->add_option("DIR", keys->folder, "the colony's key folder")->required();
    return sub;
  };
  const auto days = [&](CLI::App* sub) {
    sub->add_option("--days", keys->days, "that the certificate is valid")
        ->check(CLI::Range(1, 3650))
        ->capture_default_str();
  };
  auto* fresh = add("new", "Make the folder: authority, certificate, server key");
  fresh
      ->add_option("--hosts", keys->hosts,
                   "names and addresses of the colony's hosts, for browsers and curl")
      ->delimiter(',');
  days(fresh);
  fresh->add_flag("--force", keys->force, "replace a folder that is there, and all its keys");
  fresh->footer("Example: rookery keys new ~/wiki-keys --hosts head.example,10.0.0.5");
  fresh->callback([keys] { make(*keys); });

  auto* add_client = add("client", "Add a client: one file to carry to its host");
  add_client->add_option("NAME", keys->name, "the client's name")->required();
  add_client->add_flag("--force", keys->force, "a new key for a client that has one");
  add_client->footer("Example: rookery keys client ~/wiki-keys trainer");
  add_client->callback([keys] { client(*keys); });

  auto* revoke = add("revoke", "Withdraw a client's key; its open connections are cut off too");
  revoke->add_option("NAME", keys->name, "the client's name")->required();
  revoke->footer("Example: rookery keys revoke ~/wiki-keys trainer");
  revoke->callback([keys] {
    KeyFolder::open(keys->folder).revoke(keys->name);
    std::printf("%s is cut off within a second\n", keys->name.c_str());
  });

  auto* turn = add("rotate", "Replace keys");
  turn->add_flag("--tls", keys->tls, "the certificate; nothing restarts");
  turn->add_flag("--curve", keys->curve, "the servers' key; clients need their files anew");
  turn->add_option("--token", keys->token,
                   "the admin token of this colony on this host; nothing restarts");
  days(turn);
  turn->footer("Example: rookery keys rotate ~/wiki-keys --tls");
  turn->callback([keys] { rotate(*keys); });

  auto* show = add("show", "Public parts, clients, expiry");
  show->footer("Example: rookery keys show ~/wiki-keys");
  show->callback([keys] { std::printf("%s", KeyFolder::open(keys->folder).describe().c_str()); });
}

}  // namespace rookery::launch
