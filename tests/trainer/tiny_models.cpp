#include "tests/trainer/tiny_models.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <random>
#include <utility>

namespace rookery::testing {
namespace {

using nlohmann::json;
constexpr std::int64_t kHidden = 16, kInner = 24;

/// Numbers in [-scale, scale), the same on every machine.
std::vector<float> numbers(std::size_t count, float scale, std::mt19937_64& random) {
  std::vector<float> values(count);
  for (float& value : values) {
    value = (static_cast<float>(random() >> 40) / 8388608.0F - 1.0F) * scale;
  }
  return values;
}

/// Adds seeded tensors; norms start around 1.
class Weights {
 public:
  Weights(engine::Checkpoint& checkpoint, std::uint64_t seed)
      : checkpoint_(checkpoint), random_(seed) {}
  void matrix(const std::string& name, std::int64_t rows, std::int64_t columns) {
    checkpoint_.tensors[name] = {{rows, columns},
                                 numbers(static_cast<std::size_t>(rows * columns), 0.4F, random_)};
  }
  void vector(const std::string& name, std::int64_t size, float centre) {
    auto values = numbers(static_cast<std::size_t>(size), 0.2F, random_);
    for (float& value : values) value += centre;
    checkpoint_.tensors[name] = {{size}, std::move(values)};
  }
  void linear(const std::string& name, std::int64_t outputs, std::int64_t inputs) {
    matrix(name + ".weight", outputs, inputs);
    vector(name + ".bias", outputs, 0);
  }
  void norm(const std::string& name) {
    vector(name + ".weight", kHidden, 1);
    vector(name + ".bias", kHidden, 0);
  }

 private:
  engine::Checkpoint& checkpoint_;
  std::mt19937_64 random_;
};

/// GPT-2's byte alphabet: printable bytes stand for themselves, the others for U+0100 and on.
std::string byte_token(int byte) {
  const auto printable = [](int b) {
    return (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
  };
  int code = byte;
  if (!printable(byte)) {
    code = 256;
    for (int b = 0; b < byte; ++b) code += printable(b) ? 0 : 1;
  }
  if (code < 128) return {static_cast<char>(code)};
  return {static_cast<char>(0xC0 | (code >> 6)), static_cast<char>(0x80 | (code & 0x3F))};
}

}  // namespace

engine::Checkpoint tiny_encoder(std::uint64_t seed) {
  engine::Checkpoint checkpoint;
  checkpoint.path = "tiny-encoder";
  checkpoint.sha256 = "tiny-encoder-hash";
  std::string vocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nwhich\n";
  for (char c = 'a'; c <= 'z'; ++c) vocabulary += std::string(1, c) + "\n##" + c + "\n";
  const auto words = std::count(vocabulary.begin(), vocabulary.end(), '\n');
  checkpoint.files["vocab.txt"] = vocabulary;
  checkpoint.files["config.json"] = json{
      {"model_type", "bert"},          {"vocab_size", words},      {"hidden_size", kHidden},
      {"num_hidden_layers", 2},        {"num_attention_heads", 4}, {"intermediate_size", kInner},
      {"max_position_embeddings", 32}, {"type_vocab_size", 2},     {"layer_norm_eps", 1e-12},
      {"hidden_act", "gelu"}}.dump();
  checkpoint.files["sentence_bert_config.json"] = json{{"max_seq_length", 32}}.dump();
  Weights weights(checkpoint, seed);
  weights.matrix("embeddings.word_embeddings.weight", words, kHidden);
  weights.matrix("embeddings.position_embeddings.weight", 32, kHidden);
  weights.matrix("embeddings.token_type_embeddings.weight", 2, kHidden);
  weights.norm("embeddings.LayerNorm");
  for (const char* layer : {"encoder.layer.0.", "encoder.layer.1."}) {
    const std::string at = layer;
    for (const char* part : {"attention.self.query", "attention.self.key", "attention.self.value",
                             "attention.output.dense"}) {
      weights.linear(at + part, kHidden, kHidden);
    }
    weights.norm(at + "attention.output.LayerNorm");
    weights.linear(at + "intermediate.dense", kInner, kHidden);
    weights.linear(at + "output.dense", kHidden, kInner);
    weights.norm(at + "output.LayerNorm");
  }
  // As in published encoders: there, but not used.
  weights.linear("pooler.dense", kHidden, kHidden);
  return checkpoint;
}

engine::Checkpoint tiny_generator(std::uint64_t seed) {
  engine::Checkpoint checkpoint;
  checkpoint.path = "tiny-generator";
  checkpoint.sha256 = "tiny-generator-hash";
  json vocabulary = json::object();
  for (int byte = 0; byte < 256; ++byte) vocabulary[byte_token(byte)] = byte;
  vocabulary["<end>"] = 256;
  checkpoint.files["tokenizer.json"] =
      json{{"model", {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", json::array()}}},
           {"pre_tokenizer",
            {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}}},
           {"added_tokens", {{{"id", 256}, {"content", "<end>"}, {"special", true}}}}}
          .dump();
  checkpoint.files["config.json"] =
      json{{"model_type", "llama"},       {"vocab_size", 257},
           {"hidden_size", kHidden},      {"num_hidden_layers", 3},
           {"num_attention_heads", 4},    {"num_key_value_heads", 2},
           {"intermediate_size", kInner}, {"max_position_embeddings", 128},
           {"rms_norm_eps", 1e-5},        {"rope_theta", 10000.0},
           {"hidden_act", "silu"},        {"tie_word_embeddings", true},
           {"bos_token_id", 256},         {"eos_token_id", 256}}
          .dump();
  Weights weights(checkpoint, seed);
  weights.matrix("model.embed_tokens.weight", 257, kHidden);
  for (const char* layer : {"model.layers.0.", "model.layers.1.", "model.layers.2."}) {
    const std::string at = layer;
    weights.vector(at + "input_layernorm.weight", kHidden, 1);
    weights.matrix(at + "self_attn.q_proj.weight", kHidden, kHidden);
    weights.matrix(at + "self_attn.k_proj.weight", kHidden / 2, kHidden);
    weights.matrix(at + "self_attn.v_proj.weight", kHidden / 2, kHidden);
    weights.matrix(at + "self_attn.o_proj.weight", kHidden, kHidden);
    weights.vector(at + "post_attention_layernorm.weight", kHidden, 1);
    weights.matrix(at + "mlp.gate_proj.weight", kInner, kHidden);
    weights.matrix(at + "mlp.up_proj.weight", kInner, kHidden);
    weights.matrix(at + "mlp.down_proj.weight", kHidden, kInner);
  }
  weights.vector("model.norm.weight", kHidden, 1);
  return checkpoint;
}

std::vector<index_tools::Question> tiny_questions(int count) {
  std::vector<index_tools::Question> questions;
  for (int i = 0; i < count; ++i) {
    const char letter = static_cast<char>('a' + i % 26);
    questions.push_back(
        {.id = std::to_string(i),
         .question = std::string("which ") + letter,
         .answers = {std::string(1, static_cast<char>(letter - 'a' + 'A')) + std::to_string(i + 1)},
         .passage_id = std::to_string(i)});
  }
  return questions;
}

TinyPool::TinyPool(int count, int dimension) {
  std::mt19937_64 random(7);
  const auto questions = tiny_questions(count);
  for (int i = 0; i < count; ++i) {
    retriever_pool::Document document;
    document.id = i;
    document.source_id = std::to_string(i);
    document.title = questions[static_cast<std::size_t>(i)].answers.front();
    document.text = "it is " + questions[static_cast<std::size_t>(i)].question;
    document.vector = numbers(static_cast<std::size_t>(dimension), 0.5F, random);
    documents_.push_back(std::move(document));
  }
  description_ = {.generation = "abc123",
                  .metric = "inner_product",
                  .encoder_hash = "tiny-encoder-hash",
                  .encoder_name = "tiny-encoder",
                  .pooling = "mean",
                  .normalised = true,
                  .dimension = dimension,
                  .shards = 1,
                  .passages = count,
                  .sources = count};
}

retriever_pool::RetrievalAnswer TinyPool::retrieve(
    const retriever_pool::RetrievalRequest& request) {
  ++calls;
  if (failures > 0) {
    --failures;
    throw retriever_pool::RetrievalError(fault, "shard 0: no replica answers");
  }
  last_priority = request.priority;
  const auto dimension = static_cast<std::size_t>(description_.dimension);
  retriever_pool::RetrievalAnswer answer;
  answer.generation = request.generation.empty() ? description_.generation : request.generation;
  if (answer.generation != description_.generation && leases(answer.generation) < 1) {
    throw retriever_pool::RetrievalError(retriever_pool::RetrievalFault::kUnavailable,
                                         "generation " + answer.generation + " is not served");
  }
  answer.shards_answered = answer.shards_wanted = 1;
  for (std::size_t q = 0; q < request.queries.size() / dimension; ++q) {
    std::vector<retriever_pool::Document> row = documents_;
    for (auto& document : row) {
      document.score = 0;
      for (std::size_t d = 0; d < dimension; ++d) {
        document.score += request.queries[q * dimension + d] * document.vector[d];
      }
    }
    std::stable_sort(row.begin(), row.end(),
                     [](const auto& a, const auto& b) { return a.score > b.score; });
    row.resize(std::min(row.size(), static_cast<std::size_t>(request.k)));
    answer.rows.push_back(std::move(row));
  }
  return answer;
}

namespace {

struct TinyLease final : retriever_pool::GenerationLease {
  TinyLease(std::string generation, std::shared_ptr<int> share)
      : GenerationLease(std::move(generation)), held(std::move(share)) {}
  std::shared_ptr<int> held;
};

}  // namespace

std::unique_ptr<retriever_pool::GenerationLease> TinyPool::lease() {
  const std::string live = description_.generation;
  std::shared_ptr<int>& held = held_[live];
  if (!held) held = std::make_shared<int>();
  if (!swap_after_lease.empty()) description_.generation = std::exchange(swap_after_lease, "");
  return std::make_unique<TinyLease>(live, held);
}

}  // namespace rookery::testing
