#include "engine/bert_encoder.hpp"

#include "engine/detail/kernels.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

namespace rookery::engine {
namespace {

constexpr std::int32_t kPanel = detail::kPanelColumns;
/// Rows of one forward pass. More do not make the products faster, and fewer stay in cache.
constexpr std::int32_t kRowsMax = 256;
/// Below this many rows a thread, the threads share each product instead of the texts.
constexpr std::int32_t kRowsAThreadMin = 24;

std::size_t to_size(std::int32_t value) { return static_cast<std::size_t>(value); }

}  // namespace

/// What one forward pass writes to; grows to the largest pass so far.
struct BertEncoder::Workspace {
  base::ThreadTeam alone{1};
  std::vector<float> rows;                  // [rows, hidden]
  std::vector<float> query_key_value;       // [rows, 3 · hidden] and a panel's overhang
  std::vector<float> context;               // [rows, hidden]
  std::vector<float> branch;                // [rows, hidden]
  std::vector<float> intermediate;          // [rows, intermediate]
  std::vector<std::vector<float>> scratch;  // attention's, one a part

  void fit(const BertConfig& config, std::int32_t row_count) {
    const auto grow = [](std::vector<float>& values, std::size_t size) {
      if (values.size() < size) values.resize(size);
    };
    const std::size_t plain = to_size(row_count) * to_size(config.hidden);
    grow(rows, plain);
    grow(query_key_value, 3 * plain + to_size(kPanel));
    grow(context, plain);
    grow(branch, plain);
    grow(intermediate, to_size(row_count) * to_size(config.intermediate));
  }
};

namespace {

/// Calls `part(begin, end)` for runs of rows, on all threads when there are many.
template <class F>
void split_rows(base::ThreadTeam& team, std::int32_t rows, const F& part) {
  const int parts = rows < 4 * team.size() ? 1 : team.size();
  if (parts == 1) return part(0, rows);
  team.run(parts, [&](int i) {
    part(static_cast<std::int32_t>(std::int64_t{rows} * i / parts),
         static_cast<std::int32_t>(std::int64_t{rows} * (i + 1) / parts));
  });
}

}  // namespace

BertEncoder::BertEncoder(const Checkpoint& checkpoint, EncoderOptions options)
    : config_(BertConfig::from_checkpoint(checkpoint)),
      team_(options.threads > 0 ? options.threads : base::usable_cores()) {
  load(checkpoint);
}

BertEncoder::~BertEncoder() = default;

std::vector<float> BertEncoder::encode(std::span<const std::string> texts) {
  const std::size_t hidden = to_size(config_.hidden);
  std::vector<float> vectors(texts.size() * hidden);
  if (texts.empty()) return vectors;

  std::vector<std::vector<text::TokenId>> ids(texts.size());
  constexpr std::size_t kTextsAPart = 32;
  team_.run(static_cast<int>((texts.size() + kTextsAPart - 1) / kTextsAPart), [&](int part) {
    const std::size_t begin = static_cast<std::size_t>(part) * kTextsAPart;
    for (std::size_t i = begin; i < std::min(begin + kTextsAPart, texts.size()); ++i) {
      ids[i] = tokenizer_->encode_single(texts[i], to_size(config_.tokens_max));
    }
  });

  // Texts in their order, in groups of about equally many rows, as many groups as keep all threads
  // busy to the end. No order needs less work: there is no padding.
  std::int64_t rows_total = 0;
  for (const auto& tokens : ids) rows_total += static_cast<std::int64_t>(tokens.size());
  const std::int64_t threads =
      rows_total < std::int64_t{kRowsAThreadMin} * team_.size() ? 1 : team_.size();
  const std::int64_t passes =
      ((rows_total + kRowsMax - 1) / kRowsMax + threads - 1) / threads * threads;
  const std::int64_t rows_wanted = (rows_total + passes - 1) / passes;
  struct Group {
    std::vector<Span> texts;
    std::int32_t rows = 0;
  };
  std::vector<Group> groups(1);
  std::int64_t rows_before = 0;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (rows_before >= rows_wanted * static_cast<std::int64_t>(groups.size()) &&
        groups.back().rows > 0) {
      groups.emplace_back();
    }
    Group& group = groups.back();
    group.texts.push_back({&ids[i], group.rows, vectors.data() + i * hidden});
    group.rows += static_cast<std::int32_t>(ids[i].size());
    rows_before += static_cast<std::int64_t>(ids[i].size());
  }

  const auto run = [&](const Group& group, base::ThreadTeam* team) {
    auto workspace = take_workspace();
    workspace->fit(config_, group.rows);
    forward(team != nullptr ? *team : workspace->alone, group.texts, group.rows, *workspace);
    return_workspace(std::move(workspace));
  };
  if (groups.size() == 1) {
    run(groups.front(), &team_);
  } else {
    team_.run(static_cast<int>(groups.size()),
              [&](int part) { run(groups[static_cast<std::size_t>(part)], nullptr); });
  }
  return vectors;
}

void BertEncoder::embed(const Span& text, float* rows) const {
  const std::size_t hidden = to_size(config_.hidden);
  for (std::size_t position = 0; position < text.ids->size(); ++position) {
    const float* word = word_embeddings_.data() + to_size((*text.ids)[position]) * hidden;
    const float* place = position_embeddings_.data() + position * hidden;
    float* row = rows + position * hidden;
    for (std::size_t i = 0; i < hidden; ++i) row[i] = word[i] + type_embeddings_[i] + place[i];
    detail::kernels().add_layer_norm(row, nullptr, embeddings_norm_.weight.data(),
                                     embeddings_norm_.bias.data(), config_.layer_norm_eps,
                                     config_.hidden);
  }
}

void BertEncoder::forward(base::ThreadTeam& team, std::span<const Span> texts, std::int32_t rows,
                          Workspace& workspace) const {
  const std::size_t hidden = to_size(config_.hidden);
  const std::size_t intermediate = to_size(config_.intermediate);
  const auto& kernels = detail::kernels();
  float* x = workspace.rows.data();
  float* branch = workspace.branch.data();
  float* wide = workspace.intermediate.data();
  const auto add_and_norm = [&](const Norm& norm) {
    split_rows(team, rows, [&](std::int32_t begin, std::int32_t end) {
      for (std::int32_t row = begin; row < end; ++row) {
        kernels.add_layer_norm(x + to_size(row) * hidden, branch + to_size(row) * hidden,
                               norm.weight.data(), norm.bias.data(), config_.layer_norm_eps,
                               config_.hidden);
      }
    });
  };

  for (const Span& text : texts) embed(text, x + to_size(text.first_row) * hidden);
  for (const Layer& layer : layers_) {
    multiply(team, layer.query_key_value, x, rows, layer.query_key_value_bias,
             workspace.query_key_value.data());
    attend(team, texts, workspace);
    multiply(team, layer.attention_output, workspace.context.data(), rows,
             layer.attention_output_bias, branch);
    add_and_norm(layer.attention_norm);
    multiply(team, layer.intermediate, x, rows, layer.intermediate_bias, wide);
    split_rows(team, rows, [&](std::int32_t begin, std::int32_t end) {
      kernels.gelu(wide + to_size(begin) * intermediate, to_size(end - begin) * intermediate);
    });
    multiply(team, layer.output, wide, rows, layer.output_bias, branch);
    add_and_norm(layer.output_norm);
  }
  for (const Span& text : texts) pool(text, x + to_size(text.first_row) * hidden);
}

void BertEncoder::attend(base::ThreadTeam& team, std::span<const Span> texts,
                         Workspace& workspace) const {
  const std::int64_t tasks = static_cast<std::int64_t>(texts.size()) * config_.heads;
  const int parts = static_cast<int>(std::min<std::int64_t>(team.size(), tasks));
  if (workspace.scratch.size() < static_cast<std::size_t>(parts)) {
    workspace.scratch.resize(static_cast<std::size_t>(parts));
  }
  team.run(parts, [&](int part) {
    for (std::int64_t task = tasks * part / parts; task < tasks * (part + 1) / parts; ++task) {
      attend_head(texts[static_cast<std::size_t>(task / config_.heads)],
                  static_cast<std::int32_t>(task % config_.heads), workspace,
                  workspace.scratch[static_cast<std::size_t>(part)]);
    }
  });
}

/// softmax(q · kᵀ / √d) · v of one head: both products go through the matrix kernel, the first over
/// keys that are packed here, the second over the values where they lie.
void BertEncoder::attend_head(const Span& text, std::int32_t head, Workspace& workspace,
                              std::vector<float>& scratch) const {
  const auto count = static_cast<std::int32_t>(text.ids->size());
  const std::int32_t width = config_.hidden / config_.heads;
  const std::size_t stride = 3 * to_size(config_.hidden);
  const std::size_t padded = to_size((count + kPanel - 1) / kPanel * kPanel);
  const std::size_t key_floats = padded * to_size(width);
  if (scratch.size() < key_floats + to_size(count) * padded) {
    scratch.resize(key_floats + to_size(count) * padded);
  }
  float* keys = scratch.data();
  float* scores = scratch.data() + key_floats;
  const float* query = workspace.query_key_value.data() + to_size(text.first_row) * stride +
                       to_size(head) * to_size(width);
  const float* key = query + config_.hidden;
  const float* value = key + config_.hidden;

  // The columns behind the last key hold what was there before; no score is taken from them.
  for (std::size_t row = 0; row < to_size(count); ++row) {
    float* to = keys + row / to_size(kPanel) * to_size(width * kPanel) + row % to_size(kPanel);
    const float* from = key + row * stride;
    for (std::size_t i = 0; i < to_size(width); ++i) to[i * to_size(kPanel)] = from[i];
  }
  const auto& kernels = detail::kernels();
  detail::Product product;
  product.x = query;
  product.x_stride = stride;
  product.rows = count;
  product.weights = keys;
  product.panel_stride = to_size(width) * to_size(kPanel);
  product.inputs = width;
  product.columns = count;
  product.y = scores;
  product.y_stride = padded;
  kernels.multiply(product);
  const float scale = 1.0F / std::sqrt(static_cast<float>(width));
  for (std::size_t row = 0; row < to_size(count); ++row) {
    kernels.softmax(scores + row * padded, count, scale);
  }
  product.x = scores;
  product.x_stride = padded;
  product.weights = value;
  product.panel_stride = to_size(kPanel);
  product.k_stride = stride;
  product.inputs = count;
  product.columns = width;
  product.y = workspace.context.data() + to_size(text.first_row) * to_size(config_.hidden) +
              to_size(head) * to_size(width);
  product.y_stride = to_size(config_.hidden);
  kernels.multiply(product);
}

void BertEncoder::pool(const Span& text, const float* rows) const {
  const std::size_t hidden = to_size(config_.hidden);
  float* vector = text.vector;
  std::copy_n(rows, hidden, vector);
  if (config_.pooling == "mean") {
    for (std::size_t row = 1; row < text.ids->size(); ++row) {
      for (std::size_t i = 0; i < hidden; ++i) vector[i] += rows[row * hidden + i];
    }
    const auto count = static_cast<float>(text.ids->size());
    for (std::size_t i = 0; i < hidden; ++i) vector[i] /= count;
  }
  if (!config_.normalised) return;
  const float length = std::sqrt(detail::kernels().dot(vector, vector, config_.hidden));
  const float divisor = std::max(length, 1e-12F);
  for (std::size_t i = 0; i < hidden; ++i) vector[i] /= divisor;
}

std::unique_ptr<BertEncoder::Workspace> BertEncoder::take_workspace() {
  const std::lock_guard lock(idle_mutex_);
  if (idle_.empty()) return std::make_unique<Workspace>();
  auto workspace = std::move(idle_.back());
  idle_.pop_back();
  return workspace;
}

void BertEncoder::return_workspace(std::unique_ptr<Workspace> workspace) {
  const std::lock_guard lock(idle_mutex_);
  idle_.push_back(std::move(workspace));
}

}  // namespace rookery::engine
