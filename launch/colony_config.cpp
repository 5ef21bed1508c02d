#include "launch/colony_config.hpp"

#include "base/option_reader.hpp"

namespace rookery::launch {

namespace {

ColonyConfig read_config(base::OptionReader reader) {
  ColonyConfig config;
  reader.read("colony", config.colony);
  config.index = actors::IndexOptions::from_options(reader.section("index"));
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
