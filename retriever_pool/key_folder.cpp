#include "retriever_pool/key_folder.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/atomic_file.hpp"
#include "base/certificates.hpp"
#include "base/error.hpp"
#include "base/secret_file.hpp"

namespace rookery::retriever_pool {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr std::chrono::hours kAuthorityValidity{24 * 3650};

void check_name(const std::string& name) {
  const bool sound = !name.empty() && name.size() <= 64 && name[0] != '.' && name[0] != '-' &&
                     std::all_of(name.begin(), name.end(), [](char c) {
                       return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                              (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
                     });
  if (!sound) {
    throw base::UserError("expected a client's name of 1 to 64 of a-z A-Z 0-9 . _ -, got '" + name +
                          "'");
  }
}

/// A member of a key file, which must be a CURVE key.
std::string key_of(const Json& json, const char* member, const fs::path& file) {
  const auto found = json.find(member);
  if (found == json.end() || !found->is_string() || !is_curve_key(found->get<std::string>())) {
    throw base::UserError(file.string() + ": " + member +
                          ": expected a CURVE key of 40 characters, got " +
                          (found == json.end() ? "nothing" : "something else"));
  }
  return found->get<std::string>();
}

Json read_key_file(const fs::path& file) {
  const std::string text = base::read_secret(file);
  Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) {
    throw base::UserError(file.string() +
                          ": expected a key file made by rookery keys, got "
                          "something else");
  }
  return json;
}

CurvePair read_pair(const fs::path& file) {
  const Json json = read_key_file(file);
  CurvePair pair{key_of(json, "public", file), key_of(json, "secret", file)};
  if (curve_public_key(pair.secret_key) != pair.public_key) {
    throw base::UserError(file.string() + ": expected two halves of one pair, got two pairs'");
  }
  return pair;
}

void write_pair(const fs::path& file, const CurvePair& pair) {
  const Json json = {{"public", pair.public_key}, {"secret", pair.secret_key}};
  base::write_secret(file, json.dump(2) + "\n");
}

void write_client(const fs::path& file, const std::string& name, const CurvePair& pair,
                  const std::string& server, const std::string& authority) {
  const Json json = {{"name", name},
                     {"server_public", server},
                     {"public", pair.public_key},
                     {"secret", pair.secret_key},
                     {"authority", authority}};
  base::write_secret(file, json.dump(2) + "\n");
}

std::string day(std::chrono::system_clock::time_point time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%d", &parts);
  return text;
}

std::vector<std::string> names_in(const fs::path& folder, const std::string& extension) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().extension() == extension) names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

void issue(const fs::path& folder, std::vector<std::string> hosts, std::chrono::hours validity) {
  const base::PemPair authority{base::read_file(folder / "ca.pem"),
                                base::read_secret(folder / "ca.key")};
  base::CertificateOptions options;
  options.name = "colony";
  options.hosts = std::move(hosts);
  options.validity = validity;
  const base::PemPair made = base::issue_certificate(authority, options);
  base::write_secret(folder / "colony.pem", made.certificate + made.key);
}

}  // namespace

KeyFolder KeyFolder::create(const fs::path& folder, const KeyFolderOptions& options) {
  if (fs::exists(folder) && !options.force) {
    throw base::UserError(
        folder.string() +
        ": expected a folder that is not there yet, got one; --force replaces it, "
        "and then every host and client needs the new keys");
  }
  const fs::path fresh = folder.string() + ".partial-" + std::to_string(::getpid());
  fs::remove_all(fresh);
  try {
    base::make_secret_folder(fresh);
    base::make_secret_folder(fresh / "allowed");
    base::make_secret_folder(fresh / "clients");
    base::CertificateOptions authority;
    authority.name = "colony authority";
    authority.validity = kAuthorityValidity;
    const base::PemPair pair = base::make_authority(authority);
    base::write_file_atomically(fresh / "ca.pem", pair.certificate);
    base::write_secret(fresh / "ca.key", pair.key);
    issue(fresh, options.hosts, options.validity);
    write_pair(fresh / "server.key", make_curve_pair());
    const fs::path old = folder.string() + ".replaced-" + std::to_string(::getpid());
    if (fs::exists(folder)) fs::rename(folder, old);
    fs::rename(fresh, folder);
    fs::remove_all(old);
  } catch (const fs::filesystem_error& error) {
    std::error_code ignored;
    fs::remove_all(fresh, ignored);
    throw base::UserError(folder.string() + ": cannot be made: " + error.code().message());
  } catch (...) {
    std::error_code ignored;
    fs::remove_all(fresh, ignored);
    throw;
  }
  return open(folder);
}

KeyFolder KeyFolder::open(const fs::path& folder) {
  if (!fs::is_directory(folder)) {
    throw base::UserError(
        folder.string() +
        ": expected a folder of keys, got none; make one with: rookery keys new " +
        folder.string());
  }
  KeyFolder keys(fs::absolute(folder));
  // A host other than the one where keys are made has no ca.key, and shall have none.
  if (fs::exists(keys.path_ / "ca.key")) base::check_secret(keys.path_ / "ca.key");
  base::check_certificate(base::read_secret(keys.path_ / "colony.pem"),
                          base::read_file(keys.path_ / "ca.pem"),
                          (keys.path_ / "colony.pem").string());
  (void)read_pair(keys.path_ / "server.key");
  for (const std::string& name : names_in(keys.path_ / "clients", ".key")) {
    base::check_secret(keys.path_ / "clients" / (name + ".key"));
  }
  return keys;
}

fs::path KeyFolder::add_client(const std::string& name, bool force) const {
  check_name(name);
  const fs::path file = path_ / "clients" / (name + ".key");
  if (!force && (fs::exists(file) || fs::exists(path_ / "allowed" / (name + ".pub")))) {
    throw base::UserError(file.string() +
                          ": expected a new client's name, got one that has a key; "
                          "--force gives it a new one");
  }
  const CurvePair pair = make_curve_pair();
  write_client(file, name, pair, read_pair(path_ / "server.key").public_key,
               base::read_file(path_ / "ca.pem"));
  // Last: what is allowed has a file that says whose it is.
  base::write_file_atomically(path_ / "allowed" / (name + ".pub"), pair.public_key + "\n");
  return file;
}

void KeyFolder::revoke(const std::string& name) const {
  check_name(name);
  if (!fs::remove(path_ / "allowed" / (name + ".pub"))) {
    std::string known;
    for (const std::string& client : names_in(path_ / "allowed", ".pub")) {
      known += (known.empty() ? "" : ", ") + client;
    }
    throw base::UserError(path_.string() + ": expected the name of a client, got '" + name + "'; " +
                          (known.empty() ? "there are none" : "there are: " + known));
  }
  fs::remove(path_ / "clients" / (name + ".key"));
  base::sync_folder(path_ / "allowed");
}

void KeyFolder::rotate_tls(std::chrono::hours validity) const {
  const fs::path file = path_ / "colony.pem";
  issue(path_, base::read_certificate(base::read_secret(file), file.string()).hosts, validity);
}

KeyFolder KeyFolder::renew_certificate(const fs::path& folder, std::chrono::hours validity) {
  KeyFolder(fs::absolute(folder)).rotate_tls(validity);
  return open(folder);
}

void KeyFolder::rotate_curve() const {
  const CurvePair pair = make_curve_pair();
  const std::string authority = base::read_file(path_ / "ca.pem");
  for (const std::string& name : names_in(path_ / "clients", ".key")) {
    const fs::path file = path_ / "clients" / (name + ".key");
    write_client(file, name, read_pair(file), pair.public_key, authority);
  }
  write_pair(path_ / "server.key", pair);
}

std::string KeyFolder::describe() const {
  const fs::path file = path_ / "colony.pem";
  const auto facts = base::read_certificate(base::read_secret(file), file.string());
  const auto authority = base::read_certificate(base::read_file(path_ / "ca.pem"), "ca.pem");
  std::string text = path_.string() + "\ncertificate  valid " + day(facts.from) + " to " +
                     day(facts.until) + " for";
  for (const std::string& host : facts.hosts) text += " " + host;
  text += "\nauthority    valid to " + day(authority.until) +
          (fs::exists(path_ / "ca.key") ? "" : "; its key is elsewhere: no certificates here");
  text += "\nserver key   " + read_pair(path_ / "server.key").public_key + "\n";
  const auto names = names_in(path_ / "allowed", ".pub");
  for (const std::string& name : names) {
    std::string key = base::read_file(path_ / "allowed" / (name + ".pub"));
    if (!key.empty() && key.back() == '\n') key.pop_back();
    text += "client       " + key + "  " + name + "\n";
  }
  if (names.empty()) text += "no clients yet: rookery keys client DIR NAME\n";
  return text;
}

CurveServerKeys KeyFolder::server_keys() const {
  const CurvePair pair = read_pair(path_ / "server.key");
  return {pair.public_key, pair.secret_key, path_ / "allowed"};
}

CurveClientKeys KeyFolder::own_client_keys() const {
  const CurvePair pair = read_pair(path_ / "server.key");
  return {pair.public_key, pair.public_key, pair.secret_key};
}

base::TlsFiles KeyFolder::tls() const {
  return {path_ / "colony.pem", path_ / "colony.pem", path_ / "ca.pem"};
}

CurveClientKeys read_client_keys(const fs::path& folder_or_file) {
  if (fs::is_directory(folder_or_file)) return KeyFolder::open(folder_or_file).own_client_keys();
  const CurvePair pair = read_pair(folder_or_file);
  return {key_of(read_key_file(folder_or_file), "server_public", folder_or_file), pair.public_key,
          pair.secret_key};
}

CurveClientKeys find_client_keys(const std::string& given, const std::string& otherwise) {
  if (!given.empty()) return read_client_keys(given);
  const char* const environment = std::getenv("ROOKERY_KEYS");
  if (environment != nullptr && *environment != '\0') return read_client_keys(environment);
  return otherwise.empty() ? CurveClientKeys{} : read_client_keys(otherwise);
}

}  // namespace rookery::retriever_pool
