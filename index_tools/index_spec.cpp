#include "index_tools/index_spec.hpp"

#include <charconv>
#include <cstdio>
#include <limits>

#include "base/error.hpp"

namespace rookery::index_tools {
namespace {

using base::UserError;

/// The `key=value` pairs of one spec; every complaint names the whole text and the key.
class Parameters {
 public:
  Parameters(std::string_view spec, std::string_view list) : spec_(spec) {
    while (!list.empty()) {
      const std::size_t comma = list.find(',');
      const std::string_view pair = list.substr(0, comma);
      list = comma == std::string_view::npos ? "" : list.substr(comma + 1);
      const std::size_t equals = pair.find('=');
      if (equals == std::string_view::npos || equals == 0) {
        fail("expected key=value pairs between commas, got '" + std::string(pair) + "'");
      }
      pairs_.push_back({pair.substr(0, equals), pair.substr(equals + 1), false});
    }
  }

  template <typename Number>
  void number(std::string_view key, Number low, Number high, Number& value) {
    const Pair* pair = take(key);
    if (pair == nullptr) return;
    Number got{};
    const char* end = pair->value.data() + pair->value.size();
    const auto [stop, error] = std::from_chars(pair->value.data(), end, got);
    if (error != std::errc() || stop != end || !(got >= low && got <= high)) {
      fail(std::string(key) + ": expected a number in [" + text(low) + ", " + text(high) +
           "], got '" + std::string(pair->value) + "'");
    }
    value = got;
  }

  void choice(std::string_view key, const std::vector<std::string>& choices, std::string& value) {
    const Pair* pair = take(key);
    if (pair == nullptr) return;
    for (const std::string& one : choices) {
      if (pair->value == one) {
        value = one;
        return;
      }
    }
    std::string list;
    for (const std::string& one : choices) list += (list.empty() ? "" : " or ") + one;
    fail(std::string(key) + ": expected " + list + ", got '" + std::string(pair->value) + "'");
  }

  /// Refuses keys that nobody took.
  void finish() const {
    for (const Pair& pair : pairs_) {
      if (!pair.taken) fail("unknown key '" + std::string(pair.key) + "', expected " + known_);
    }
  }

 private:
  struct Pair {
    std::string_view key, value;
    bool taken;
  };

  const Pair* take(std::string_view key) {
    known_ += (known_.empty() ? "" : ", ") + std::string(key);
    Pair* found = nullptr;
    for (Pair& pair : pairs_) {
      if (pair.key != key) continue;
      if (found != nullptr) fail(std::string(key) + ": expected it once, got it again");
      found = &pair;
      pair.taken = true;
    }
    return found;
  }

  template <typename Number>
  static std::string text(Number value) {
    char buffer[32];
    const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
    return {buffer, end};
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw UserError("index '" + std::string(spec_) + "': " + what);
  }

  std::string_view spec_;
  std::vector<Pair> pairs_;
  std::string known_;
};

std::string shortest(float value) {
  char buffer[32];
  return {buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr};
}

}  // namespace

std::string to_string(IndexKind kind) {
  switch (kind) {
    case IndexKind::kInt8:
      return "int8";
    case IndexKind::kHnsw:
      return "hnsw";
    case IndexKind::kIvfPq:
      return "ivfpq";
    case IndexKind::kBm25:
      return "bm25";
    case IndexKind::kExact:
      break;
  }
  return "exact";
}

const std::vector<IndexKind>& index_kinds() {
  static const std::vector<IndexKind> kinds = {
      IndexKind::kExact, IndexKind::kInt8, IndexKind::kHnsw, IndexKind::kIvfPq, IndexKind::kBm25};
  return kinds;
}

IndexKind index_kind_from_name(std::string_view name) {
  for (const IndexKind kind : index_kinds()) {
    if (to_string(kind) == name) return kind;
  }
  throw UserError("kind: expected exact, int8, hnsw, ivfpq or bm25, got '" + std::string(name) +
                  "'");
}

IndexSpec parse_index_spec(std::string_view text) {
  const std::size_t colon = text.find(':');
  IndexSpec spec;
  spec.kind = index_kind_from_name(text.substr(0, colon));
  Parameters parameters(text, colon == std::string_view::npos ? "" : text.substr(colon + 1));
  switch (spec.kind) {
    case IndexKind::kExact:
      throw UserError("index '" + std::string(text) +
                      "': exact search needs no index: it is there wherever there are vectors");
    case IndexKind::kInt8:
      break;
    case IndexKind::kHnsw: {
      HnswParameters& p = spec.hnsw;
      std::string serial = p.serial ? "true" : "false";
      parameters.number("m", 2, 512, p.m);
      parameters.number("ef_construction", 1, 4096, p.ef_construction);
      parameters.number("ef_search", 1, 65'536, p.ef_search);
      parameters.choice("storage", {"float32", "int8"}, p.storage);
      parameters.choice("serial", {"true", "false"}, serial);
      p.serial = serial == "true";
      break;
    }
    case IndexKind::kIvfPq: {
      IvfPqParameters& p = spec.ivfpq;
      parameters.number("nlist", 0, 1 << 20, p.nlist);
      parameters.number("pq_bytes", 1, 1024, p.pq_bytes);
      parameters.number("nprobe", 1, 1 << 20, p.nprobe);
      parameters.number("candidates", 0, 1 << 20, p.candidates);
      parameters.choice("coarse", {"flat", "hnsw"}, p.coarse);
      parameters.number("train_rows", std::int64_t{256}, std::int64_t{1} << 32, p.train_rows);
      break;
    }
    case IndexKind::kBm25:
      parameters.number("k1", 0.0F, 100.0F, spec.bm25.k1);
      parameters.number("b", 0.0F, 1.0F, spec.bm25.b);
      break;
  }
  parameters.finish();
  return spec;
}

std::string to_string(const IndexSpec& spec) {
  const std::string kind = to_string(spec.kind);
  switch (spec.kind) {
    case IndexKind::kHnsw: {
      const HnswParameters& p = spec.hnsw;
      return kind + ":m=" + std::to_string(p.m) +
             ",ef_construction=" + std::to_string(p.ef_construction) +
             ",ef_search=" + std::to_string(p.ef_search) + ",storage=" + p.storage +
             ",serial=" + (p.serial ? "true" : "false");
    }
    case IndexKind::kIvfPq: {
      const IvfPqParameters& p = spec.ivfpq;
      return kind + ":nlist=" + std::to_string(p.nlist) +
             ",pq_bytes=" + std::to_string(p.pq_bytes) + ",nprobe=" + std::to_string(p.nprobe) +
             ",candidates=" + std::to_string(p.candidates) + ",coarse=" + p.coarse +
             ",train_rows=" + std::to_string(p.train_rows);
    }
    case IndexKind::kBm25:
      return kind + ":k1=" + shortest(spec.bm25.k1) + ",b=" + shortest(spec.bm25.b);
    case IndexKind::kExact:
    case IndexKind::kInt8:
      break;
  }
  return kind;
}

}  // namespace rookery::index_tools
