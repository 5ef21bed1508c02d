#pragma once

#include "base/thread_team.hpp"
#include "engine/bert_config.hpp"
#include "engine/linear.hpp"
#include "engine/text_encoder.hpp"
#include "text/wordpiece.hpp"

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

namespace rookery::engine {

/// A BERT-type sentence encoder: embeddings, post-norm transformer layers, pooling. The rows of
/// many texts lie behind one another in one matrix without padding; attention is within a text.
/// Long calls give every thread texts of its own, short ones split each product; neither changes a
/// byte of a vector.
class BertEncoder final : public TextEncoder {
 public:
  /// Throws `UserError` naming file, key or tensor when the checkpoint is no complete BERT.
  BertEncoder(const Checkpoint& checkpoint, EncoderOptions options);
  ~BertEncoder() override;

  [[nodiscard]] const EncoderIdentity& identity() const override { return identity_; }
  [[nodiscard]] std::vector<float> encode(std::span<const std::string> texts) override;
  [[nodiscard]] const BertConfig& config() const { return config_; }
  [[nodiscard]] const text::WordPieceTokenizer& tokenizer() const { return *tokenizer_; }

 private:
  struct Norm {
    std::vector<float> weight, bias;
  };
  struct Layer {
    PackedMatrix query_key_value, attention_output, intermediate, output;
    std::vector<float> query_key_value_bias, attention_output_bias, intermediate_bias, output_bias;
    Norm attention_norm, output_norm;
  };
  /// One text in a forward pass.
  struct Span {
    const std::vector<text::TokenId>* ids;
    std::int32_t first_row;
    float* vector;  ///< `[hidden]`, where the result goes
  };
  struct Workspace;

  void load(const Checkpoint& checkpoint);
  void embed(const Span& text, float* rows) const;
  void forward(base::ThreadTeam& team, std::span<const Span> texts, std::int32_t rows,
               Workspace& workspace) const;
  void attend(base::ThreadTeam& team, std::span<const Span> texts, Workspace& workspace) const;
  void attend_head(const Span& text, std::int32_t head, Workspace& workspace,
                   std::vector<float>& scratch) const;
  void pool(const Span& text, const float* rows) const;
  std::unique_ptr<Workspace> take_workspace();
  void return_workspace(std::unique_ptr<Workspace> workspace);

  BertConfig config_;
  EncoderIdentity identity_;
  std::unique_ptr<text::WordPieceTokenizer> tokenizer_;
  std::vector<float> word_embeddings_, position_embeddings_, type_embeddings_;
  Norm embeddings_norm_;
  std::vector<Layer> layers_;
  base::ThreadTeam team_;
  std::mutex idle_mutex_;
  std::vector<std::unique_ptr<Workspace>> idle_;  ///< kept between calls; one a thread
};

}  // namespace rookery::engine
