#include "launch/colony_config.hpp"

#include "base/option_reader.hpp"

namespace rookery::launch {

namespace {

std::vector<actors::IndexOptions> read_indexes(base::OptionReader reader,
                                               const std::string& default_name) {
  std::vector<actors::IndexOptions> indexes;
  for (const auto& name : reader.keys()) {
    if (!retriever_pool::is_index_name(name) || name == default_name) {
      reader.fail(name, "a name of 1 to 32 of a-z A-Z 0-9 . _ - that no other index has",
                  "'" + name + "'");
    }
    auto section = reader.section(name);
    if (section.has("name")) {
      section.fail("name", "nothing, because the key of the section is the name", "name");
    }
    indexes.push_back(actors::IndexOptions::from_options(section));
    indexes.back().name = name;
  }
  reader.finish();
  return indexes;
}

ColonyConfig read_config(base::OptionReader reader) {
  ColonyConfig config;
  reader.read("colony", config.colony);
  config.index = actors::IndexOptions::from_options(reader.section("index"));
  config.indexes = read_indexes(reader.section("indexes"), config.index.name);
  config.pool = actors::PoolOptions::from_options(reader.section("pool"));
  config.train = trainer::TrainOptions::from_options(reader.section("train"));
  config.serve = serving::ServeOptions::from_options(reader.section("serve"));
  config.train.index = config.index.path;
  reader.finish();
  config.records = reader.records();
  return config;
}

}  // namespace

ColonyConfig ColonyConfig::load(const std::filesystem::path& file) {
  auto config = read_config(base::OptionReader::from_file(file));
  config.file = std::filesystem::absolute(file);
  return config;
}

actors::HeadOptions head_options(const ColonyConfig& config) {
  return {config.colony, config.file, config.index, config.pool, config.indexes, {}};
}

std::string config_reference() {
  std::string table = "| key | type | default |\n| --- | --- | --- |\n";
  // A map for `speculation`, so that the keys inside it are listed too.
  const auto config =
      read_config(base::OptionReader::from_text("serve: {speculation: {}}", "reference"));
  for (const auto& record : config.records)
    table += "| `" + record.key + "` | " + record.expected + " | " +
             (record.initial.empty() ? "-" : "`" + record.initial + "`") + " |\n";
  return table;
}

}  // namespace rookery::launch
