#include "serving/serving_models.hpp"

#include "text/chat_template.hpp"

namespace rookery::serving {

ServingModels::ServingModels(const ServeOptions& options)
    : options_(options),
      decoder_(engine::open_decoder(engine::resolve_model(options.generator),
                                    {.threads = options.threads})),
      generator_(std::make_unique<EngineGenerator>(*decoder_)) {
  if (options_.workload_kind() != Workload::kNone) {
    encoder_ = engine::open_text_encoder(engine::resolve_model(options.encoder),
                                         {.threads = options.threads});
  }
}

std::unique_ptr<Answerer> ServingModels::make_answerer(retriever_pool::Retriever* retriever,
                                                       bool cut_prompts) {
  AnswererParts parts;
  parts.generator = generator_.get();
  parts.tokenizer = &decoder_->tokenizer();
  parts.chat = [this](std::span<const text::ChatMessage> messages) {
    return text::encode_chat(decoder_->tokenizer(), messages);
  };
  parts.encoder = encoder_.get();
  parts.retriever = retriever;
  AnswererOptions answering;
  answering.ralm.workload = options_.workload_kind();
  answering.ralm.stride_tokens = options_.stride_tokens;
  answering.ralm.query_tokens = options_.query_tokens;
  answering.ralm.max_new_tokens = options_.max_new_tokens;
  answering.ralm.speculation = options_.speculation;
  answering.limits = options_.limits();
  answering.cut_prompts = cut_prompts;
  answering.retrieval_deadline = options_.retrieval_deadline;
  return std::make_unique<Answerer>(std::move(parts), answering);
}

Question make_question(const ServeOptions& options, const std::string& text) {
  Question question;
  question.max_new_tokens = options.max_new_tokens;
  if (options.chat) {
    question.messages = {{"user", text}};
  } else {
    question.text = text;
  }
  return question;
}

}  // namespace rookery::serving
