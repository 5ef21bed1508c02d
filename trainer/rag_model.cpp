#include "trainer/rag_model.hpp"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.hpp"

namespace rookery::trainer {
namespace {

using Clock = std::chrono::steady_clock;
using Tokens = std::vector<text::TokenId>;

double ms_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

std::unique_ptr<text::WordPieceTokenizer> word_pieces(const engine::Checkpoint& checkpoint) {
  if (const auto json = checkpoint.files.find("tokenizer.json"); json != checkpoint.files.end()) {
    return text::WordPieceTokenizer::from_tokenizer_json(json->second);
  }
  if (const auto list = checkpoint.files.find("vocab.txt"); list != checkpoint.files.end()) {
    return text::WordPieceTokenizer::from_vocabulary(list->second, {});
  }
  throw base::UserError(checkpoint.path.string() +
                        ": expected tokenizer.json or vocab.txt beside the weights, found neither");
}

std::unique_ptr<text::ByteBpeTokenizer> byte_pairs(const engine::Checkpoint& checkpoint) {
  const auto json = checkpoint.files.find("tokenizer.json");
  if (json == checkpoint.files.end()) {
    throw base::UserError(checkpoint.path.string() +
                          ": expected a tokenizer.json with the weights, found none");
  }
  return std::make_unique<text::ByteBpeTokenizer>(text::ByteBpeModel::from_tokenizer_json(
      json->second, (checkpoint.path / "tokenizer.json").string()));
}

/// Everything but the tensors that the model holds itself.
engine::Checkpoint without_parameters(const engine::Checkpoint& checkpoint,
                                      const models::ParameterSet& parameters) {
  engine::Checkpoint rest;
  rest.path = checkpoint.path;
  rest.files = checkpoint.files;
  rest.metadata = checkpoint.metadata;
  for (const auto& [name, tensor] : checkpoint.tensors) {
    const auto& all = parameters.all();
    const bool held = std::any_of(all.begin(), all.end(),
                                  [&](const auto& parameter) { return parameter.name == name; });
    if (!held) rest.tensors[name] = tensor;
  }
  return rest;
}

}  // namespace

RagModel::RagModel(const engine::Checkpoint& question_encoder, const engine::Checkpoint& generator,
                   const TrainOptions& options)
    : options_(options),
      method_(rag_method(options.method)),
      encoder_(question_encoder),
      generator_(generator),
      encoder_tokenizer_(word_pieces(question_encoder)),
      generator_tokenizer_(byte_pairs(generator)),
      format_(*generator_tokenizer_, generator_.config().eos, options.prompt) {
  encoder_files_ = without_parameters(question_encoder, encoder_.parameters());
  generator_files_ = without_parameters(generator, generator_.parameters());
  encoder_.parameters().train_only([&](std::string_view) { return options.train_encoder; });
  generator_.train_last_layers(options.generator_layers);
}

RagModel::Retrieved RagModel::retrieve(const std::vector<index_tools::Question>& questions,
                                       retriever_pool::Retriever& retriever,
                                       BatchFigures& figures) {
  auto begin = Clock::now();
  std::vector<Tokens> rows;
  for (const auto& question : questions) {
    rows.push_back(encoder_tokenizer_->encode_single(
        question.question, static_cast<std::size_t>(encoder_.config().tokens_max)));
  }
  const torch::Tensor vectors_BD =
      encoder_.forward(models::make_token_batch(rows), options_.dropout);
  const torch::Tensor queries_BD = vectors_BD.detach().contiguous();
  figures.encode_ms = ms_since(begin);

  begin = Clock::now();
  const std::int32_t k = options_.documents;
  auto answer = retriever.retrieve(
      {.queries = {queries_BD.data_ptr<float>(), static_cast<std::size_t>(queries_BD.numel())},
       .k = k,
       .want_passages = true,
       .want_vectors = true,
       .deadline = options_.retrieval_deadline});
  figures.retrieval_ms = ms_since(begin);
  figures.generation = answer.generation;

  const std::int64_t batch = queries_BD.size(0), dimension = queries_BD.size(1);
  torch::Tensor documents_BKD = torch::empty({batch, k, dimension});
  float* to = documents_BKD.data_ptr<float>();
  for (const auto& row : answer.rows) {
    if (row.size() != static_cast<std::size_t>(k)) {
      throw base::UserError("train.documents: expected at most as many as the index has (" +
                            std::to_string(row.size()) + "), got " + std::to_string(k));
    }
    for (const auto& document : row) {
      if (document.vector.size() != static_cast<std::size_t>(dimension)) {
        throw base::UserError("the index returned vectors of " +
                              std::to_string(document.vector.size()) + " floats, expected " +
                              std::to_string(dimension));
      }
      std::memcpy(to, document.vector.data(), document.vector.size() * sizeof(float));
      to += dimension;
    }
  }
  const torch::Tensor scores_BK = torch::bmm(documents_BKD, vectors_BD.unsqueeze(-1)).squeeze(-1);
  return {.scores_BK = scores_BK * options_.score_scale, .rows = std::move(answer.rows)};
}

torch::Tensor RagModel::loss(const std::vector<index_tools::Question>& questions,
                             retriever_pool::Retriever& retriever, BatchFigures& figures) {
  const Retrieved retrieved = retrieve(questions, retriever, figures);
  const auto begin = Clock::now();
  const auto batch = static_cast<std::int64_t>(questions.size());
  const std::int64_t k = options_.documents;

  // Row b·K+d is document d of question b: its prompt, then the answer but for the last token.
  std::vector<Tokens> rows, answers;
  std::vector<std::int64_t> prompt_lengths;
  std::size_t longest_answer = 0;
  figures.tokens = 0;
  for (std::size_t b = 0; b < questions.size(); ++b) {
    answers.push_back(format_.answer(questions[b].answers.front()));
    longest_answer = std::max(longest_answer, answers.back().size());
    for (const auto& document : retrieved.rows[b]) {
      Tokens row = format_.prompt(document.title, document.text, questions[b].question);
      prompt_lengths.push_back(static_cast<std::int64_t>(row.size()));
      row.insert(row.end(), answers.back().begin(), answers.back().end() - 1);
      figures.tokens += static_cast<std::int64_t>(row.size());
      rows.push_back(std::move(row));
    }
  }
  const models::TokenBatch tokens = models::make_token_batch(rows);
  const auto length = static_cast<std::int64_t>(longest_answer);

  // The position before each answer token predicts it; behind a short answer any position will do.
  torch::Tensor positions_RT = torch::empty({batch * k, length}, torch::kInt64);
  torch::Tensor targets_BT = torch::zeros({batch, length}, torch::kInt64);
  torch::Tensor mask_BT = torch::zeros({batch, length}, torch::kBool);
  for (std::int64_t r = 0; r < batch * k; ++r) {
    const auto last = static_cast<std::int64_t>(rows[static_cast<std::size_t>(r)].size()) - 1;
    for (std::int64_t t = 0; t < length; ++t) {
      positions_RT.data_ptr<std::int64_t>()[r * length + t] =
          std::min(prompt_lengths[static_cast<std::size_t>(r)] - 1 + t, last);
    }
  }
  for (std::int64_t b = 0; b < batch; ++b) {
    const Tokens& answer = answers[static_cast<std::size_t>(b)];
    for (std::size_t t = 0; t < answer.size(); ++t) {
      const auto at = b * length + static_cast<std::int64_t>(t);
      targets_BT.data_ptr<std::int64_t>()[at] = answer[t];
      mask_BT.data_ptr<bool>()[at] = true;
    }
  }
  const torch::Tensor hidden_RLH = generator_.hidden(tokens, options_.dropout);
  const torch::Tensor index_RTH =
      positions_RT.unsqueeze(-1).expand({batch * k, length, hidden_RLH.size(-1)});
  const torch::Tensor logits_BKTV =
      generator_.logits(hidden_RLH.gather(1, index_RTH)).unflatten(0, {batch, k});
  const torch::Tensor result = answer_loss(method_, logits_BKTV, targets_BT, mask_BT,
                                           retrieved.scores_BK, options_.label_smoothing)
                                   .mean();
  figures.forward_ms = ms_since(begin);
  return result;
}

engine::Checkpoint RagModel::encoder_checkpoint(const std::string& trained_against) const {
  engine::Checkpoint checkpoint = encoder_files_;
  encoder_.parameters().copy_to(checkpoint);
  checkpoint.files["rookery.json"] =
      nlohmann::json{{"trained_against", trained_against}}.dump(2) + "\n";
  return checkpoint;
}

engine::Checkpoint RagModel::generator_checkpoint() const {
  engine::Checkpoint checkpoint = generator_files_;
  generator_.parameters().copy_to(checkpoint);
  return checkpoint;
}

}  // namespace rookery::trainer
