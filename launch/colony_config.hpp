#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "actors/head_setup.hpp"
#include "actors/pool_options.hpp"
#include "base/option_reader.hpp"
#include "serving/serve_options.hpp"
#include "trainer/train_options.hpp"

namespace rookery::launch {

/// One YAML file that describes a colony and its workers: `colony`, and the sections `index`,
/// `indexes` (further ones: name → the keys of `index`), `pool`, `train`, `serve`. Every key has a
/// default; an unknown one is refused.
struct ColonyConfig {
  std::filesystem::path file;  ///< absolute
  std::string colony = "rookery";
  actors::IndexOptions index;                 ///< the default one, that workers use
  std::vector<actors::IndexOptions> indexes;  ///< further ones, by the order of the file
  actors::PoolOptions pool;
  trainer::TrainOptions train;
  serving::ServeOptions serve;
  std::vector<base::OptionRecord> records;  ///< every key, in the order of the sections

  /// Throws `UserError` of the form `FILE:LINE: KEY: expected …, got …`.
  static ColonyConfig load(const std::filesystem::path& file);
};

/// What a head takes of it.
actors::HeadOptions head_options(const ColonyConfig& config);

/// A Markdown table of every key, type and default: what `docs/configuration.md` holds.
std::string config_reference();

}  // namespace rookery::launch
