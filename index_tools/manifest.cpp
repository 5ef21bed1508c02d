#include "index_tools/manifest.hpp"

#include "base/checksum.hpp"
#include "base/error.hpp"
#include "index_tools/detail/object_reader.hpp"
#include "index_tools/index_spec.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <limits>
#include <optional>
#include <set>

namespace rookery::index_tools {
namespace {

using Json = nlohmann::json;
using detail::ObjectReader;

constexpr std::int64_t kPassagesMax = std::int64_t{1} << 40;
constexpr std::int32_t kDimensionMax = 65'536;
constexpr std::int32_t kShardsMax = 1024;
/// By the number of the type.
constexpr std::array<std::string_view, 3> kVectorTypeNames{"none", "float32", "float16"};

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

/// What the manifest says of every shard's files before their entries are read.
struct FileRules {
  std::int32_t dimension;
  VectorType vectors;
  std::vector<std::string> required;   ///< names that every shard has
  std::vector<std::string> forbidden;  ///< names that none may have
};

FileRules rules_of(const Manifest& manifest) {
  FileRules rules{manifest.dimension, manifest.vectors, {"ids", "passages"}, {}};
  const auto rule = [&](bool there, const std::string& name) {
    (there ? rules.required : rules.forbidden).push_back(name);
  };
  rule(manifest.vectors != VectorType::kNone, "vectors");
  if (manifest.schema == 1) return rules;
  rule(manifest.values, "values");
  for (const IndexKind kind : index_kinds()) {
    if (kind == IndexKind::kExact) continue;
    const std::string name = to_string(kind);
    const auto begins = [&](const std::string& spec) {
      return spec == name || spec.starts_with(name + ":");
    };
    rule(std::any_of(manifest.indexes.begin(), manifest.indexes.end(), begins), name);
  }
  return rules;
}

/// Refuses a size that cannot be right for so many passages.
void check_size(const FileEntry& file, const std::string& name, std::int64_t passages,
                const FileRules& rules, const std::string& where) {
  std::int64_t low = 0, high = std::numeric_limits<std::int64_t>::max();
  const std::int64_t element = rules.vectors == VectorType::kFloat16 ? 2 : 4;
  if (name == "ids") low = high = passages * 8;
  if (name == "vectors") low = high = passages * rules.dimension * element;
  if (name == "values") low = high = passages * 4;
  // One code an element and three floats a row, whatever stands around them.
  if (name == "int8") low = passages * (rules.dimension + 12);
  if (name == "hnsw" || name == "ivfpq") low = passages * 4;
  if (name == "bm25") low = 8;
  if (file.bytes >= low && file.bytes <= high) return;
  throw base::UserError(where + ": bytes: expected " + (low < high ? "at least " : "") +
                        std::to_string(low) + " for " + std::to_string(passages) +
                        " passages, got " + std::to_string(file.bytes));
}

ShardEntry read_shard(const Json& value, std::int32_t shard, const FileRules& rules,
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
    check_size(file, name, entry.passages, rules, place);
  }
  for (const std::string& name : rules.required) {
    if (!names.contains(name)) {
      throw base::UserError(where + ".files: expected an entry for '" + name + "', found none");
    }
  }
  for (const std::string& name : rules.forbidden) {
    if (names.contains(name)) {
      throw base::UserError(where + ".files: expected no entry for '" + name +
                            "', which the manifest does not announce, found one");
    }
  }
  return entry;
}

/// The specs as their canonical texts, by rising kind.
std::vector<std::string> read_indexes(const ObjectReader& reader) {
  std::vector<std::string> texts;
  int last = 0;
  for (const Json& value : reader.list("indexes")) {
    const std::string text = value.is_string() ? value.get<std::string>() : "";
    std::optional<IndexSpec> spec;
    try {
      spec = parse_index_spec(text);
    } catch (const base::UserError& problem) {
      reader.fail("indexes", "specs of this version (" + std::string(problem.what()) + ")", value);
    }
    if (to_string(*spec) != text || static_cast<int>(spec->kind) <= last) {
      reader.fail("indexes", "complete specs, each kind once and by rising kind", value);
    }
    last = static_cast<int>(spec->kind);
    texts.push_back(text);
  }
  return texts;
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

/// Metric, vectors and indexes, and the counters that schema 1 does not have.
void read_kinds(const ObjectReader& reader, Manifest& manifest) {
  manifest.metric = reader.text("metric");
  if (manifest.metric != "inner_product" && manifest.metric != "l2" &&
      (manifest.metric != "cosine" || manifest.schema == 1)) {
    reader.fail("metric", "'inner_product', 'l2' or 'cosine'", reader.member("metric"));
  }
  if (manifest.schema == 1) {  // passages were numbered from 0, without holes
    manifest.next_id = manifest.passages;
    manifest.next_source = manifest.sources;
    return;
  }
  manifest.content_key = reader.text("content_key");
  const std::string vectors = reader.text("vectors");
  if (std::find(kVectorTypeNames.begin(), kVectorTypeNames.end(), vectors) ==
      kVectorTypeNames.end()) {
    reader.fail("vectors", "'none', 'float32' or 'float16'", reader.member("vectors"));
  }
  manifest.vectors = vector_type_from_name(vectors);
  manifest.values = reader.truth("values");
  manifest.indexes = read_indexes(reader);
  manifest.next_id = reader.integer("next_id", 0, std::numeric_limits<std::int64_t>::max());
  manifest.next_source = reader.integer("next_source", 0, std::numeric_limits<std::int64_t>::max());
}

std::string describe(const engine::EncoderIdentity& encoder) {
  return encoder.name + " (model " + encoder.model_hash.substr(0, 12) + ", " +
         std::to_string(encoder.dimension) + "-d, " + encoder.pooling + " pooling, " +
         (encoder.normalised ? "normalised" : "not normalised") + ")";
}

}  // namespace

std::string to_string(VectorType type) {
  return std::string(kVectorTypeNames.at(static_cast<std::size_t>(type)));
}

VectorType vector_type_from_name(std::string_view name) {
  const auto found = std::find(kVectorTypeNames.begin(), kVectorTypeNames.end(), name);
  if (found == kVectorTypeNames.end()) {
    throw base::UserError("vectors: expected none, float32 or float16, got '" + std::string(name) +
                          "'");
  }
  return static_cast<VectorType>(found - kVectorTypeNames.begin());
}

const std::vector<std::string>& metric_names() {
  static const std::vector<std::string> kNames{"inner_product", "l2", "cosine"};
  return kNames;
}

const FileEntry* ShardEntry::find(std::string_view name) const {
  for (const FileEntry& file : files) {
    if (std::string_view(file.path).substr(file.path.find('/') + 1) == name) return &file;
  }
  return nullptr;
}

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
                {"encoder", nullptr},
                {"shards", Json::array()}};
  if (has_encoder() || schema == 1) {
    document["encoder"] = {{"name", encoder.name},
                           {"model_hash", encoder.model_hash},
                           {"trained_against", encoder.trained_against},
                           {"dimension", encoder.dimension},
                           {"pooling", encoder.pooling},
                           {"normalised", encoder.normalised},
                           {"tokens_max", encoder.tokens_max}};
  }
  if (schema >= 2) {
    document["content_key"] = content_key;
    document["vectors"] = to_string(vectors);
    document["values"] = values;
    document["indexes"] = indexes;
    document["next_id"] = next_id;
    document["next_source"] = next_source;
  }
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
      schema < 1 || schema > kManifestSchema) {
    throw base::UserError(where + ": schema: expected a version in [1, " +
                          std::to_string(kManifestSchema) + "], got " + std::to_string(schema) +
                          "; build the snapshot again with this version of rookery");
  }
  if (const std::string expected = reader.hex("checksum", 64), found = checksum_of(document);
      found != expected) {
    throw base::UserError(where + ": does not match its own checksum: expected " +
                          expected.substr(0, 8) + ", found " + found.substr(0, 8) +
                          "; restore the file or build the snapshot again");
  }
  Manifest manifest;
  manifest.schema = reader.small_integer("schema", 1, kManifestSchema);
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
  read_kinds(reader, manifest);
  manifest.dimension =
      reader.small_integer("dimension", manifest.vectors == VectorType::kNone ? 0 : 1,
                           manifest.vectors == VectorType::kNone ? 0 : kDimensionMax);
  if (const Json& encoder = reader.member("encoder"); !encoder.is_null() || manifest.schema == 1) {
    manifest.encoder = read_encoder(encoder, where + ": encoder");
    if (manifest.encoder.dimension != manifest.dimension) {
      throw base::UserError(where + ": dimension: expected the encoder's " +
                            std::to_string(manifest.encoder.dimension) + ", got " +
                            std::to_string(manifest.dimension));
    }
  }
  const FileRules rules = rules_of(manifest);
  const Json& shards = reader.list("shards");
  if (shards.empty() || shards.size() > static_cast<std::size_t>(kShardsMax)) {
    throw base::UserError(where + ": shards: expected 1 to " + std::to_string(kShardsMax) +
                          " entries, got " + std::to_string(shards.size()));
  }
  std::int64_t passages = 0;
  for (std::size_t index = 0; index < shards.size(); ++index) {
    manifest.shards.push_back(read_shard(shards[index], static_cast<std::int32_t>(index), rules,
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
  if (!manifest.has_encoder()) {
    throw base::UserError("generation " + manifest.generation +
                          (manifest.dimension == 0
                               ? " holds no vectors; ask it for bm25, which needs no encoder"
                               : " does not say what encoder made its vectors; search it by "
                                 "vectors, or build a snapshot with an encoder"));
  }
  if (built.model_hash.empty()) {
    throw base::UserError("generation " + manifest.generation + " holds vectors of '" + built.name +
                          "' that were imported without their encoder; search it by vectors, or " +
                          "import them again with --encoder");
  }
  const bool same_space =
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
