#include "retriever_pool/filter_file.hpp"

#include <array>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "base/atomic_file.hpp"
#include "base/error.hpp"
#include "retriever_pool/retriever.hpp"

namespace rookery::retriever_pool {
namespace {

using Json = nlohmann::json;
using Ids = std::vector<std::int64_t> PassageFilter::*;
using Texts = std::vector<std::string> PassageFilter::*;

constexpr std::array<std::pair<const char*, Ids>, 2> kIdLists = {
    {{"allow_ids", &PassageFilter::allow_ids}, {"deny_ids", &PassageFilter::deny_ids}}};
constexpr std::array<std::pair<const char*, Texts>, 4> kTextLists = {
    {{"allow_titles", &PassageFilter::allow_titles},
     {"deny_titles", &PassageFilter::deny_titles},
     {"allow_topics", &PassageFilter::allow_topics},
     {"deny_topics", &PassageFilter::deny_topics}}};

// Numbers and quotes make JSON longer than the entries: an id may take 21 bytes instead of 8.
constexpr std::uintmax_t kJsonBytesMax = std::uintmax_t{8} * kFilterBytesMax;

[[noreturn]] void refuse(const std::filesystem::path& file, const std::string& what) {
  throw base::UserError(file.string() + ": " + what);
}

void read_list(const std::filesystem::path& file, const std::string& key, const Json& list,
               PassageFilter& filter) {
  if (!list.is_array()) refuse(file, key + ": expected a list");
  for (const auto& [name, member] : kIdLists) {
    if (key != name) continue;
    for (const Json& entry : list) {
      if (!entry.is_number_integer()) {
        refuse(file, key + ": expected passage ids, got " + entry.dump().substr(0, 40));
      }
      (filter.*member).push_back(entry.get<std::int64_t>());
    }
    return;
  }
  for (const auto& [name, member] : kTextLists) {
    if (key != name) continue;
    for (const Json& entry : list) {
      if (!entry.is_string()) {
        refuse(file, key + ": expected texts, got " + entry.dump().substr(0, 40));
      }
      (filter.*member).push_back(entry.get<std::string>());
    }
    return;
  }
  refuse(file,
         "expected the lists allow_ids, deny_ids, allow_titles, deny_titles, allow_topics and "
         "deny_topics, got '" +
             key + "'");
}

}  // namespace

std::string filter_to_json(const PassageFilter& filter) {
  Json json = Json::object();
  for (const auto& [name, member] : kIdLists) {
    if (!(filter.*member).empty()) json[name] = filter.*member;
  }
  for (const auto& [name, member] : kTextLists) {
    if (!(filter.*member).empty()) json[name] = filter.*member;
  }
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

PassageFilter read_filter_file(const std::filesystem::path& file) {
  std::error_code missing;
  const auto bytes = std::filesystem::file_size(file, missing);
  if (missing) refuse(file, "expected a JSON file with a filter's lists, got none");
  if (bytes > kJsonBytesMax) {
    refuse(file, "expected at most " + std::to_string(kJsonBytesMax) + " bytes, got " +
                     std::to_string(bytes));
  }
  const Json json = Json::parse(base::read_file(file), nullptr, false);
  if (!json.is_object()) refuse(file, "expected a JSON object with a filter's lists");
  PassageFilter filter;
  for (const auto& [key, list] : json.items()) read_list(file, key, list, filter);
  try {
    check_filter(filter);
  } catch (const RetrievalError& error) {
    refuse(file, error.what());
  }
  return filter;
}

}  // namespace rookery::retriever_pool
