#include "engine/llama_decoder.hpp"

#include <algorithm>
#include <atomic>
#include <stdexcept>

#include "base/error.hpp"
#include "engine/detail/kernels.hpp"

namespace rookery::engine {
namespace {

/// More rows than this go through the layers in several passes, which bounds the activations (15 MB
/// for SmolLM2-135M). The bits do not depend on it.
constexpr std::int32_t kPassRows = 512;

text::ByteBpeTokenizer read_tokenizer(const Checkpoint& checkpoint, std::int32_t vocabulary) {
  const auto where = (checkpoint.path / "tokenizer.json").string();
  const auto found = checkpoint.files.find("tokenizer.json");
  if (found == checkpoint.files.end())
    throw base::UserError(where + ": expected this file beside the weights, found none");
  auto model = text::ByteBpeModel::from_tokenizer_json(found->second, where);
  if (model.tokens.size() > static_cast<std::size_t>(vocabulary)) {
    throw base::UserError(where + ": expected at most " + std::to_string(vocabulary) +
                          " tokens, as many as the model has, got " +
                          std::to_string(model.tokens.size()));
  }
  return text::ByteBpeTokenizer(std::move(model));
}

/// Several `[rows, inputs]` matrices below each other, packed as one.
PackedMatrix pack(const Checkpoint& checkpoint,
                  const std::vector<std::pair<std::string, std::int32_t>>& parts,
                  std::int32_t inputs) {
  std::vector<float> stacked;
  std::int32_t outputs = 0;
  if (parts.size() == 1) {
    const auto& [name, rows] = parts.front();
    return {checkpoint.tensor(name, {rows, inputs}).values, rows, inputs};
  }
  for (const auto& [name, rows] : parts) {
    const auto& values = checkpoint.tensor(name, {rows, inputs}).values;
    stacked.insert(stacked.end(), values.begin(), values.end());
    outputs += rows;
  }
  return {stacked, outputs, inputs};
}

std::size_t floats(std::int32_t rows, std::int32_t columns) {
  return static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns);
}

void ensure(detail::AlignedFloats& buffer, std::size_t size) {
  if (buffer.size() < size) buffer.resize(size);
}

void add_row(float* to, const float* from, std::int32_t count) {
  for (std::int32_t i = 0; i < count; ++i) to[i] = to[i] + from[i];
}

}  // namespace

LlamaDecoder::LlamaDecoder(const Checkpoint& checkpoint, const DecoderOptions& options)
    : config_(DecoderConfig::from_checkpoint(checkpoint)),
      tokenizer_(read_tokenizer(checkpoint, config_.vocabulary)),
      model_hash_(checkpoint.sha256),
      heads_{config_.heads, config_.kv_heads, config_.head_size()},
      rope_(config_.head_size(), config_.rope_theta),
      team_(options.threads == 0 ? base::usable_cores() : options.threads),
      scratch_(static_cast<std::size_t>(team_.size())) {
  // Ahead of the allocation: the number of layers is a claim of config.json.
  (void)checkpoint.tensor(
      "model.layers." + std::to_string(config_.layers - 1) + ".input_layernorm.weight",
      {config_.hidden});
  // Packing moves half a gigabyte: the head and each layer are parts of their own.
  layers_.resize(static_cast<std::size_t>(config_.layers));
  team_.run(config_.layers + 1, [&](int part) {
    if (part == 0) {
      read_head(checkpoint);
    } else {
      layers_[static_cast<std::size_t>(part - 1)] = read_layer(checkpoint, part - 1);
    }
  });
}

void LlamaDecoder::read_head(const Checkpoint& checkpoint) {
  const auto hidden = config_.hidden;
  last_norm_ = checkpoint.tensor("model.norm.weight", {hidden}).values;
  constexpr auto kEmbeddings = "model.embed_tokens.weight";
  const bool own_head = !config_.tied_embeddings;
  head_ =
      pack(checkpoint, {{own_head ? "lm_head.weight" : kEmbeddings, config_.vocabulary}}, hidden);
  if (own_head) embeddings_ = checkpoint.tensor(kEmbeddings, {config_.vocabulary, hidden}).values;
}

LlamaDecoder::Layer LlamaDecoder::read_layer(const Checkpoint& checkpoint,
                                             std::int32_t index) const {
  const auto hidden = config_.hidden;
  const auto prefix = "model.layers." + std::to_string(index) + ".";
  const auto vector = [&](const std::string& name) {
    return checkpoint.tensor(prefix + name, {hidden}).values;
  };
  Layer layer;
  layer.attention_norm = vector("input_layernorm.weight");
  layer.feed_norm = vector("post_attention_layernorm.weight");
  layer.query_key_value = pack(checkpoint,
                               {{prefix + "self_attn.q_proj.weight", hidden},
                                {prefix + "self_attn.k_proj.weight", heads_.kv_floats()},
                                {prefix + "self_attn.v_proj.weight", heads_.kv_floats()}},
                               hidden);
  layer.attention_out = pack(checkpoint, {{prefix + "self_attn.o_proj.weight", hidden}}, hidden);
  layer.gate_up = pack(checkpoint,
                       {{prefix + "mlp.gate_proj.weight", config_.intermediate},
                        {prefix + "mlp.up_proj.weight", config_.intermediate}},
                       hidden);
  layer.down = pack(checkpoint, {{prefix + "mlp.down_proj.weight", hidden}}, config_.intermediate);
  return layer;
}

KvCache LlamaDecoder::new_cache() const {
  return {config_.layers, heads_.kv_floats(), config_.positions};
}

void LlamaDecoder::check(std::span<const DecoderInput> inputs) const {
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const auto& input = inputs[i];
    const auto where = "forward: input " + std::to_string(i) + ": ";
    if (input.cache == nullptr) throw std::invalid_argument(where + "expected a cache, got none");
    const auto& cache = *input.cache;
    if (cache.layers_ != config_.layers || cache.row_floats_ != heads_.kv_floats() ||
        cache.positions_max_ > config_.positions) {
      throw std::invalid_argument(where + "the cache is of another model");
    }
    for (std::size_t j = 0; j < i; ++j) {
      if (inputs[j].cache == input.cache)
        throw std::invalid_argument(where + "the cache of input " + std::to_string(j) + " again");
    }
    if (input.tokens.size() > static_cast<std::size_t>(cache.positions_max_ - cache.length_)) {
      throw std::invalid_argument(
          where + "expected at most " + std::to_string(cache.positions_max_) + " positions, got " +
          std::to_string(cache.length_) + " and " + std::to_string(input.tokens.size()) + " more");
    }
    if (input.logit_rows < 0 || static_cast<std::size_t>(input.logit_rows) > input.tokens.size()) {
      throw std::invalid_argument(where + "expected logit_rows in [0, " +
                                  std::to_string(input.tokens.size()) + "], got " +
                                  std::to_string(input.logit_rows));
    }
    for (const auto token : input.tokens) {
      if (token < 0 || token >= config_.vocabulary) {
        throw std::invalid_argument(where + "expected ids in [0, " +
                                    std::to_string(config_.vocabulary) + "), got " +
                                    std::to_string(token));
      }
    }
  }
}

std::vector<float> LlamaDecoder::forward(std::span<const DecoderInput> inputs) {
  check(inputs);
  std::int64_t wanted = 0;
  std::int32_t positions = 0;
  for (const auto& input : inputs) {
    wanted += input.logit_rows;
    const auto end = input.cache->length_ + static_cast<std::int32_t>(input.tokens.size());
    input.cache->reserve(end);
    positions = std::max(positions, end);
  }
  rope_.extend(positions);
  std::vector<float> logits;
  logits.reserve(static_cast<std::size_t>(wanted) * static_cast<std::size_t>(config_.vocabulary));

  std::vector<Chunk> chunks;
  std::int32_t rows = 0;
  const auto flush = [&] {
    if (rows > 0) run_pass(chunks, rows, logits);
    chunks.clear();
    rows = 0;
  };
  for (const auto& input : inputs) {
    auto left = input.tokens;
    auto position = input.cache->length_;
    while (!left.empty()) {
      const auto count =
          std::min<std::size_t>(left.size(), static_cast<std::size_t>(kPassRows - rows));
      const auto behind = static_cast<std::int64_t>(left.size() - count);
      const auto logit_rows =
          std::clamp<std::int64_t>(input.logit_rows - behind, 0, static_cast<std::int64_t>(count));
      chunks.push_back(
          {input.cache, left.first(count), position, rows, static_cast<std::int32_t>(logit_rows)});
      rows += static_cast<std::int32_t>(count);
      position += static_cast<std::int32_t>(count);
      left = left.subspan(count);
      if (rows == kPassRows) flush();
    }
  }
  flush();
  // Only now: an exception on the way leaves every cache as long as it was.
  for (const auto& input : inputs)
    input.cache->length_ += static_cast<std::int32_t>(input.tokens.size());
  return logits;
}

template <typename Each>
void LlamaDecoder::for_rows(std::int32_t rows, const Each& each) {
  // Below, handing out the work costs more than doing it.
  constexpr std::int32_t kRowsForTeam = 8;
  const int parts = rows < kRowsForTeam ? 1 : team_.size();
  const auto run_part = [&](int part) {
    const auto begin = static_cast<std::int32_t>(std::int64_t{rows} * part / parts);
    const auto end = static_cast<std::int32_t>(std::int64_t{rows} * (part + 1) / parts);
    for (auto row = begin; row < end; ++row) each(row);
  };
  if (parts == 1) return run_part(0);
  team_.run(parts, run_part);
}

void LlamaDecoder::embed(const Chunk& chunk) {
  const auto hidden = static_cast<std::size_t>(config_.hidden);
  float* to = activations_.state.data() + static_cast<std::size_t>(chunk.first_row) * hidden;
  for (const auto token : chunk.tokens) {
    const auto id = static_cast<std::size_t>(token);
    if (!embeddings_.empty()) {
      std::copy_n(embeddings_.data() + id * hidden, hidden, to);
    } else {
      // Column `id` of the packed head: the same numbers, so no second copy of 113 MB.
      constexpr std::size_t kColumns = detail::kPanelColumns;
      const float* column = head_.data() + id / kColumns * kColumns * hidden + id % kColumns;
      for (std::size_t k = 0; k < hidden; ++k) to[k] = column[k * kColumns];
    }
    to += hidden;
  }
}

/// state += add (where given), normed = RMSNorm(state).
void LlamaDecoder::normalise(const std::vector<float>& weight, const float* add,
                             std::int32_t rows) {
  const auto& code = detail::kernels();
  for_rows(rows, [&](std::int32_t row) {
    const auto at = floats(row, config_.hidden);
    float* state = activations_.state.data() + at;
    if (add != nullptr) add_row(state, add + at, config_.hidden);
    code.rms_norm(state, weight.data(), config_.rms_norm_eps, config_.hidden,
                  activations_.normed.data() + at);
  });
}

void LlamaDecoder::attention(const Layer& layer, std::size_t layer_index,
                             std::span<const Chunk> chunks, std::int32_t rows) {
  auto& a = activations_;
  multiply(team_, layer.query_key_value, a.normed.data(), rows, {}, a.query_key_value.data());

  const auto hidden = static_cast<std::size_t>(config_.hidden);
  const auto kv_floats = static_cast<std::size_t>(heads_.kv_floats());
  const auto width = hidden + 2 * kv_floats;
  for_rows(rows, [&](std::int32_t row) {
    const auto& chunk = *std::prev(
        std::upper_bound(chunks.begin(), chunks.end(), row,
                         [](std::int32_t r, const Chunk& c) { return r < c.first_row; }));
    const auto position = chunk.first_position + row - chunk.first_row;
    float* query = a.query_key_value.data() + static_cast<std::size_t>(row) * width;
    float* key = query + hidden;
    rope_.rotate(query, heads_.heads, position);
    rope_.rotate(key, heads_.kv_heads, position);
    detail::store_key(chunk.cache->keys_[layer_index].data(), key, heads_.kv_floats(), position);
    std::copy_n(
        key + kv_floats, kv_floats,
        chunk.cache->values_[layer_index].data() + static_cast<std::size_t>(position) * kv_floats);
  });

  // Tiles of a few positions by key-value heads; threads take the next one when they are free,
  // since later positions see more keys.
  const auto tile_positions = detail::attention_positions(heads_);
  const auto tiles_of = [&](const Chunk& chunk) {
    const auto tokens = static_cast<std::int32_t>(chunk.tokens.size());
    return (tokens + tile_positions - 1) / tile_positions * heads_.kv_heads;
  };
  std::int32_t tiles = 0;
  for (const auto& chunk : chunks) tiles += tiles_of(chunk);
  std::atomic<std::int32_t> next{0};
  const auto worker = [&](int thread) {
    for (auto tile = next.fetch_add(1); tile < tiles; tile = next.fetch_add(1)) {
      auto index = tiles - 1 - tile;  // the long ones first
      const auto* chunk = chunks.data();
      while (index >= tiles_of(*chunk)) index -= tiles_of(*chunk++);
      const auto first = index / heads_.kv_heads * tile_positions;
      const auto row = static_cast<std::size_t>(chunk->first_row) + static_cast<std::size_t>(first);
      detail::AttentionTile work;
      work.keys = chunk->cache->keys_[layer_index].data();
      work.values = chunk->cache->values_[layer_index].data();
      work.queries = a.query_key_value.data() + row * width;
      work.query_stride = width;
      work.out = a.attention.data() + row * hidden;
      work.out_stride = hidden;
      work.first_position = chunk->first_position + first;
      work.positions =
          std::min(tile_positions, static_cast<std::int32_t>(chunk->tokens.size()) - first);
      work.kv_head = index % heads_.kv_heads;
      detail::attend(heads_, work, scratch_[static_cast<std::size_t>(thread)]);
    }
  };
  team_.run(std::min(team_.size(), tiles), worker);
  multiply(team_, layer.attention_out, a.attention.data(), rows, {}, a.delta.data());
}

void LlamaDecoder::feed_forward(const Layer& layer, std::int32_t rows) {
  auto& a = activations_;
  multiply(team_, layer.gate_up, a.normed.data(), rows, {}, a.gate_up.data());
  const auto& code = detail::kernels();
  const auto width = static_cast<std::size_t>(config_.intermediate);
  for_rows(rows, [&](std::int32_t row) {
    const float* gate = a.gate_up.data() + static_cast<std::size_t>(row) * 2 * width;
    float* to = a.gated.data() + static_cast<std::size_t>(row) * width;
    std::copy_n(gate, width, to);
    code.silu_multiply(to, gate + width, width);
  });
  multiply(team_, layer.down, a.gated.data(), rows, {}, a.delta.data());
}

void LlamaDecoder::run_pass(std::span<const Chunk> chunks, std::int32_t rows,
                            std::vector<float>& logits) {
  auto& a = activations_;
  for (auto* buffer : {&a.state, &a.normed, &a.attention, &a.delta})
    ensure(*buffer, floats(rows, config_.hidden));
  ensure(a.query_key_value, floats(rows, config_.hidden + 2 * heads_.kv_floats()));
  ensure(a.gate_up, floats(rows, 2 * config_.intermediate));
  ensure(a.gated, floats(rows, config_.intermediate));

  for (const auto& chunk : chunks) embed(chunk);
  const float* add = nullptr;
  for (std::size_t index = 0; index < layers_.size(); ++index) {
    const auto& layer = layers_[index];
    normalise(layer.attention_norm, add, rows);
    attention(layer, index, chunks, rows);
    normalise(layer.feed_norm, a.delta.data(), rows);
    feed_forward(layer, rows);
    add = a.delta.data();
  }

  // Only the rows whose logits are wanted go on, moved to the front.
  std::int32_t kept = 0;
  const auto hidden = static_cast<std::size_t>(config_.hidden);
  for (const auto& chunk : chunks) {
    const auto end = chunk.first_row + static_cast<std::int32_t>(chunk.tokens.size());
    for (auto row = end - chunk.logit_rows; row < end; ++row, ++kept) {
      for (auto* buffer : {&a.state, &a.delta}) {
        const float* from = buffer->data() + static_cast<std::size_t>(row) * hidden;
        std::copy(from, from + hidden, buffer->data() + static_cast<std::size_t>(kept) * hidden);
      }
    }
  }
  if (kept == 0) return;
  normalise(last_norm_, a.delta.data(), kept);
  const auto begin = logits.size();
  logits.resize(begin + floats(kept, config_.vocabulary));
  multiply(team_, head_, a.normed.data(), kept, {}, logits.data() + begin);
}

}  // namespace rookery::engine
