#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "actors/pool_options.hpp"
#include "base/option_reader.hpp"
#include "serving/serve_options.hpp"
#include "trainer/train_options.hpp"

namespace rookery::launch {

/// One YAML file that describes a colony and its workers: `colony`, and the sections `index`,
/// `pool`, `train`, `serve`. Every key has a default; an unknown one is refused.
struct ColonyConfig {
  std::filesystem::path file;  ///< absolute
  std::string colony = "rookery";
  actors::IndexOptions index;
  actors::PoolOptions pool;
  trainer::TrainOptions train;
  serving::ServeOptions serve;
  std::vector<base::OptionRecord> records;  ///< every key, in the order of the sections

  /// Throws `UserError` of the form `FILE:LINE: KEY: expected …, got …`.
  static ColonyConfig load(const std::filesystem::path& file);
};

/// A Markdown table of every key, type and default: what `docs/configuration.md` holds.
std::string config_reference();

}  // namespace rookery::launch
