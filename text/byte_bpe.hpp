#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/tokenizer.hpp"

namespace rookery::text {

/// How text is cut into words before merging.
enum class PreTokenizer {
  kGpt2,    ///< GPT-2's pattern
  kSmolLm,  ///< every digit alone, then GPT-2's pattern (SmolLM and SmolLM2, `tokenizer.ggml.pre` =
            ///< smollm)
};

struct ByteBpeModel {
  std::vector<std::string> tokens;  ///< by id, in GPT-2's byte alphabet (`Ġthe`)
  std::vector<std::string> merges;  ///< "left right", best first
  std::vector<TokenId>
      special_ids;  ///< control tokens: never produced by `encode`, left out by `decode`
  PreTokenizer pre_tokenizer = PreTokenizer::kGpt2;

  /// From HF's `tokenizer.json` with a BPE model and one of our two pre-tokenizers. Throws
  /// `UserError` that begins with `file` and tells what is there instead.
  static ByteBpeModel from_tokenizer_json(std::string_view json, const std::string& file);
};

/// Byte-level BPE (GPT-2, SmolLM2). Source: Radford et al. 2019; HF's ByteLevel pre-tokenizer.
class ByteBpeTokenizer final : public Tokenizer {
 public:
  /// Throws `UserError` when a merge names an unknown token or a special id is none. A byte without
  /// a token (SmolLM2 has 21, most of them no part of UTF-8) is left out by `encode`, as HF does.
  explicit ByteBpeTokenizer(ByteBpeModel model);
  ~ByteBpeTokenizer() override;

  [[nodiscard]] std::vector<TokenId> encode(std::string_view text) const override;
  [[nodiscard]] std::string decode(std::span<const TokenId> ids) const override;
  [[nodiscard]] std::int32_t vocabulary_size() const override;
  [[nodiscard]] TokenId special(std::string_view token) const override;
  /// Like `encode`, but texts of special tokens become their ids; for templates written by us only.
  [[nodiscard]] std::vector<TokenId> encode_template(std::string_view text) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rookery::text
