#include "index_tools/manifest.hpp"

#include "base/checksum.hpp"
#include "base/error.hpp"

#include <nlohmann/json.hpp>

#include <cstdio>
#include <limits>
#include <set>

namespace rookery::index_tools {
namespace {

using Json = nlohmann::json;

constexpr std::int64_t kPassagesMax = std::int64_t{1} << 40;
constexpr std::int32_t kDimensionMax = 65'536;
constexpr std::int32_t kShardsMax = 1024;

/// Reads members of one JSON object; every complaint names the place and what came instead.
class ObjectReader {
 public:
  ObjectReader(const Json& object, std::string where) : object_(object), where_(std::move(where)) {
    if (!object_.is_object()) {
      throw base::UserError(where_ + ": expected an object, got " + shortened(object_));
    }
  }

  [[nodiscard]] std::int64_t integer(const char* key, std::int64_t low, std::int64_t high) const {
    const Json& value = member(key);
    // A number above the signed range would come out negative.
    const bool fits = value.is_number_integer() &&
                      !(value.is_number_unsigned() &&
                        value.get<std::uint64_t>() >
                            static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()));
    if (!fits || value.get<std::int64_t>() < low || value.get<std::int64_t>() > high) {
      fail(key, "an integer in [" + std::to_string(low) + ", " + std::to_string(high) + "]", value);
    }
    return value.get<std::int64_t>();
  }

  [[nodiscard]] std::int32_t small_integer(const char* key, std::int32_t low,
                                           std::int32_t high) const {
    return static_cast<std::int32_t>(integer(key, low, high));
  }

  [[nodiscard]] std::string text(const char* key) const {
    const Json& value = member(key);
    if (!value.is_string()) fail(key, "a string", value);
    return value.get<std::string>();
  }

  [[nodiscard]] std::string hex(const char* key, std::size_t digits) const {
    const Json& value = member(key);
    if (!value.is_string() || !is_hex(value.get<std::string>(), digits)) {
      fail(key, std::to_string(digits) + " lower-case hex digits", value);
    }
    return value.get<std::string>();
  }

  [[nodiscard]] bool truth(const char* key) const {
    const Json& value = member(key);
    if (!value.is_boolean()) fail(key, "true or false", value);
    return value.get<bool>();
  }

  [[nodiscard]] const Json& list(const char* key) const {
    const Json& value = member(key);
    if (!value.is_array()) fail(key, "a list", value);
    return value;
  }

  [[nodiscard]] const Json& member(const char* key) const {
    const auto found = object_.find(key);
    if (found == object_.end()) {
      throw base::UserError(where_ + ": " + key + ": expected this key, found none");
    }
    return *found;
  }

  [[noreturn]] void fail(const char* key, const std::string& expected, const Json& got) const {
    throw base::UserError(where_ + ": " + key + ": expected " + expected + ", got " +
                          shortened(got));
  }

  static bool is_hex(const std::string& text, std::size_t digits) {
    return text.size() == digits && text.find_first_not_of("0123456789abcdef") == std::string::npos;
  }

 private:
  static std::string shortened(const Json& value) {
    std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
    if (text.size() > 60) text = text.substr(0, 57) + "...";
    return text;
  }

  const Json& object_;
  std::string where_;
};

std::string hex32(std::uint32_t value) {
  char digits[9];
  std::snprintf(digits, sizeof digits, "%08x", value);
  return digits;
}

/// Objects are dumped with their keys sorted, so this does not depend on how the file was laid out.
std::string checksum_of(Json document) {
  document.erase("checksum");
  const std::string canonical = document.dump(-1, ' ', true, Json::error_handler_t::replace);
  return base::sha256_hex(std::as_bytes(std::span(canonical)));
}

FileEntry read_file_entry(const Json& value, std::int32_t shard, const std::string& where) {
  const ObjectReader reader(value, where);
  FileEntry entry;
  entry.path = reader.text("path");
  const std::string folder = "shard-" + std::to_string(shard) + "/";
  const std::string base_name =
      entry.path.starts_with(folder) ? entry.path.substr(folder.size()) : "";
  if (base_name.empty() || base_name.front() == '.' || base_name.find('/') != std::string::npos) {
    reader.fail("path", "a file name below " + folder, reader.member("path"));
  }
  entry.bytes = reader.integer("bytes", 0, std::numeric_limits<std::int64_t>::max() / 2);
  entry.sha256 = reader.hex("sha256", 64);
  const Json& blocks = reader.list("crc32c");
  const std::int64_t blocks_expected =
      (entry.bytes + kChecksumBlockBytes - 1) / kChecksumBlockBytes;
  if (static_cast<std::int64_t>(blocks.size()) != blocks_expected) {
    throw base::UserError(where + ": crc32c: expected " + std::to_string(blocks_expected) +
                          " block checksums for " + std::to_string(entry.bytes) + " bytes, got " +
                          std::to_string(blocks.size()));
  }
  for (const Json& block : blocks) {
    if (!block.is_string() || !ObjectReader::is_hex(block.get<std::string>(), 8)) {
      reader.fail("crc32c", "8 lower-case hex digits a block", block);
    }
    entry.crc32c.push_back(
        static_cast<std::uint32_t>(std::stoul(block.get<std::string>(), nullptr, 16)));
  }
  return entry;
}

ShardEntry read_shard(const Json& value, std::int32_t shard, std::int32_t dimension,
                      const std::string& where) {
  const ObjectReader reader(value, where);
  ShardEntry entry;
  entry.shard = reader.small_integer("shard", shard, shard);
  entry.passages = reader.integer("passages", 1, kPassagesMax);
  std::set<std::string> names;
  const Json& files = reader.list("files");
  for (std::size_t index = 0; index < files.size(); ++index) {
    const std::string place = where + ".files[" + std::to_string(index) + "]";
    entry.files.push_back(read_file_entry(files[index], shard, place));
    const FileEntry& file = entry.files.back();
    const std::string name = file.path.substr(file.path.find('/') + 1);
    if (!names.insert(name).second) {
      throw base::UserError(place + ": path: expected each file once, got '" + file.path +
                            "' again");
    }
    std::int64_t bytes_expected = file.bytes;
    if (name == "ids") bytes_expected = entry.passages * 8;
    if (name == "vectors") bytes_expected = entry.passages * dimension * 4;
    if (file.bytes != bytes_expected) {
      throw base::UserError(place + ": bytes: expected " + std::to_string(bytes_expected) +
                            " for " + std::to_string(entry.passages) + " passages, got " +
                            std::to_string(file.bytes));
    }
  }
  for (const char* name : {"ids", "passages", "vectors"}) {
    if (!names.contains(name)) {
      throw base::UserError(where + ".files: expected an entry for '" + name + "', found none");
    }
  }
  return entry;
}

engine::EncoderIdentity read_encoder(const Json& value, const std::string& where) {
  const ObjectReader reader(value, where);
  engine::EncoderIdentity encoder;
  encoder.name = reader.text("name");
  encoder.model_hash = reader.text("model_hash");
  encoder.trained_against = reader.text("trained_against");
  encoder.dimension = reader.small_integer("dimension", 1, kDimensionMax);
  encoder.pooling = reader.text("pooling");
  encoder.normalised = reader.truth("normalised");
  encoder.tokens_max =
      reader.small_integer("tokens_max", 1, std::numeric_limits<std::int32_t>::max());
  return encoder;
}

std::string describe(const engine::EncoderIdentity& encoder) {
  return encoder.name + " (model " + encoder.model_hash.substr(0, 12) + ", " +
         std::to_string(encoder.dimension) + "-d, " + encoder.pooling + " pooling, " +
         (encoder.normalised ? "normalised" : "not normalised") + ")";
}

}  // namespace

std::string Manifest::to_json() const {
  Json document{{"schema", schema},
                {"generation", generation},
                {"build_key", build_key},
                {"corpus", corpus},
                {"sources", sources},
                {"passages", passages},
                {"passage_words", passage_words},
                {"metric", metric},
                {"dimension", dimension},
                {"encoder",
                 {{"name", encoder.name},
                  {"model_hash", encoder.model_hash},
                  {"trained_against", encoder.trained_against},
                  {"dimension", encoder.dimension},
                  {"pooling", encoder.pooling},
                  {"normalised", encoder.normalised},
                  {"tokens_max", encoder.tokens_max}}},
                {"shards", Json::array()}};
  for (const ShardEntry& shard : shards) {
    Json files = Json::array();
    for (const FileEntry& file : shard.files) {
      Json blocks = Json::array();
      for (const std::uint32_t checksum : file.crc32c) blocks.push_back(hex32(checksum));
      files.push_back({{"path", file.path},
                       {"bytes", file.bytes},
                       {"sha256", file.sha256},
                       {"crc32c", std::move(blocks)}});
    }
    document["shards"].push_back(
        {{"shard", shard.shard}, {"passages", shard.passages}, {"files", std::move(files)}});
  }
  document["checksum"] = checksum_of(document);
  return document.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Manifest Manifest::from_json(const std::string& text, const std::string& where) {
  Json document;
  try {
    document = Json::parse(text);
  } catch (const Json::exception&) {
    throw base::UserError(where + ": expected a snapshot's manifest, got text that is not JSON (" +
                          std::to_string(text.size()) +
                          " bytes); restore the file or build the snapshot again");
  }
  const ObjectReader reader(document, where);
  if (const std::int64_t schema =
          reader.integer("schema", 0, std::numeric_limits<std::int32_t>::max());
      schema != kManifestSchema) {
    throw base::UserError(where + ": schema: expected version " + std::to_string(kManifestSchema) +
                          ", got " + std::to_string(schema) +
                          "; build the snapshot again with this version of rookery");
  }
  if (const std::string expected = reader.hex("checksum", 64), found = checksum_of(document);
      found != expected) {
    throw base::UserError(where + ": does not match its own checksum: expected " +
                          expected.substr(0, 8) + ", found " + found.substr(0, 8) +
                          "; restore the file or build the snapshot again");
  }
  Manifest manifest;
  manifest.generation = reader.text("generation");
  if (manifest.generation.empty() || manifest.generation.size() > 64 ||
      !ObjectReader::is_hex(manifest.generation, manifest.generation.size())) {
    reader.fail("generation", "lower-case hex digits", reader.member("generation"));
  }
  manifest.build_key = reader.text("build_key");
  manifest.corpus = reader.text("corpus");
  manifest.sources = reader.integer("sources", 0, kPassagesMax);
  manifest.passages = reader.integer("passages", 1, kPassagesMax);
  manifest.passage_words =
      reader.small_integer("passage_words", 0, std::numeric_limits<std::int32_t>::max());
  manifest.metric = reader.text("metric");
  if (manifest.metric != "inner_product" && manifest.metric != "l2") {
    reader.fail("metric", "'inner_product' or 'l2'", reader.member("metric"));
  }
  manifest.dimension = reader.small_integer("dimension", 1, kDimensionMax);
  manifest.encoder = read_encoder(reader.member("encoder"), where + ": encoder");
  if (manifest.encoder.dimension != manifest.dimension) {
    throw base::UserError(where + ": dimension: expected the encoder's " +
                          std::to_string(manifest.encoder.dimension) + ", got " +
                          std::to_string(manifest.dimension));
  }
  const Json& shards = reader.list("shards");
  if (shards.empty() || shards.size() > static_cast<std::size_t>(kShardsMax)) {
    throw base::UserError(where + ": shards: expected 1 to " + std::to_string(kShardsMax) +
                          " entries, got " + std::to_string(shards.size()));
  }
  std::int64_t passages = 0;
  for (std::size_t index = 0; index < shards.size(); ++index) {
    manifest.shards.push_back(read_shard(shards[index], static_cast<std::int32_t>(index),
                                         manifest.dimension,
                                         where + ": shards[" + std::to_string(index) + "]"));
    passages += manifest.shards.back().passages;
  }
  if (passages != manifest.passages) {
    throw base::UserError(where + ": passages: expected the shards' sum " +
                          std::to_string(passages) + ", got " + std::to_string(manifest.passages));
  }
  return manifest;
}

void check_encoder_fits(const Manifest& manifest, const engine::EncoderIdentity& encoder) {
  const engine::EncoderIdentity& built = manifest.encoder;
  const bool same_space =
      !built.model_hash.empty() &&
      (encoder.model_hash == built.model_hash || encoder.trained_against == built.model_hash);
  if (same_space && encoder.dimension == built.dimension && encoder.pooling == built.pooling &&
      encoder.normalised == built.normalised) {
    return;
  }
  throw base::UserError("the encoder does not fit generation " + manifest.generation +
                        ": expected " + describe(built) + ", or one trained against it, got " +
                        describe(encoder) +
                        "; use that encoder, or build a snapshot with this one");
}

}  // namespace rookery::index_tools
