#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace YAML {
class Node;
}

namespace rookery::base {

/// What one `read` found, for `rookery config`.
struct OptionRecord {
  std::string key;       ///< "pool.replicas"
  std::string expected;  ///< "integer in [1, 64]"
  std::string initial;   ///< the default
  std::string value;     ///< after reading
  int line = 0;          ///< where the file sets it; 0: the default holds
};

/// Reads one YAML map into an options struct, key by key; every complaint is a `UserError` of the
/// form `configs/wiki.yaml:7: pool.replicas: expected an integer in [1, 64], got 'two'`. A missing
/// key leaves the field as it is. Call `finish` last: it refuses keys that nobody read.
class OptionReader {
 public:
  /// Parses the file. The root must be a map (or empty).
  static OptionReader from_file(const std::filesystem::path& path);
  /// `name` stands for the file in messages; for tests and for text that came over the wire.
  static OptionReader from_text(const std::string& text, const std::string& name);

  /// The sub-map `key`; an absent one reads as empty, so that defaults hold.
  [[nodiscard]] OptionReader section(const std::string& key);
  /// Asking does not count as reading: `finish` still refuses the key if nothing reads it.
  [[nodiscard]] bool has(const std::string& key) const;
  /// True when `key` is there and holds a map, for options that are a word or a section.
  [[nodiscard]] bool has_section(const std::string& key) const;

  /// The keys of this map in the file's order, for maps whose keys are names.
  [[nodiscard]] std::vector<std::string> keys() const;

  void read(const std::string& key, bool& field);
  void read(const std::string& key, std::string& field);
  void read(const std::string& key,
            std::filesystem::path& field);  ///< `~/` and `$NAME` at the start are expanded.
  void read(const std::string& key, std::int32_t& field, std::int32_t low, std::int32_t high);
  void read(const std::string& key, std::int64_t& field, std::int64_t low, std::int64_t high);
  void read(const std::string& key, double& field, double low,
            double high);  ///< closed interval, finite
  void read(const std::string& key, std::vector<std::string>& field);
  /// One of a list of words.
  void read(const std::string& key, std::string& field, const std::vector<std::string>& allowed);
  /// Milliseconds; by our naming the key ends in `_ms`.
  void read(const std::string& key, std::chrono::milliseconds& field, std::int64_t low,
            std::int64_t high);
  /// Present only when the key is there.
  void read(const std::string& key, std::optional<std::int32_t>& field, std::int32_t low,
            std::int32_t high);

  /// Refuses unknown keys, naming the first, its line, and the known ones. Sections that were
  /// opened are finished too.
  void finish();
  /// Every key that was read so far, of all sections, in the order of reading.
  [[nodiscard]] const std::vector<OptionRecord>& records() const;
  /// Throws a `UserError` that points at `key` (or at the section itself when it is empty); quotes
  /// are put around `got`.
  [[noreturn]] void fail(const std::string& key, const std::string& expected,
                         const std::string& got) const;

 private:
  struct Impl;
  explicit OptionReader(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

/// Where snapshots, colonies and checkpoints live by default:
/// `${ROOKERY_HOME:-~/.local/share/rookery}`.
std::filesystem::path rookery_home();

/// `~/x` → the home folder, `$NAME/x` → the environment; anything else as it is. Throws `UserError`
/// when the environment lacks the name.
std::filesystem::path expand_path(const std::string& text);

}  // namespace rookery::base
