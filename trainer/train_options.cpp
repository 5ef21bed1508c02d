#include "trainer/train_options.hpp"

#include "base/error.hpp"

namespace rookery::trainer {

TrainOptions TrainOptions::from_options(base::OptionReader reader) {
  TrainOptions o;
  reader.read("method", o.method, {"rag_sequence", "rag_token"});
  reader.read("question_encoder", o.question_encoder);
  reader.read("generator", o.generator);
  base::OptionReader questions = reader.section("questions");
  questions.read("train", o.train);
  questions.read("dev", o.dev);
  questions.read("test", o.test);
  reader.read("documents", o.documents, 1, 64);
  reader.read("batch_size", o.batch_size, 1, 1024);
  reader.read("learning_rate", o.learning_rate, 0, 1);
  reader.read("encoder_learning_rate", o.encoder_learning_rate, 0, 1);
  reader.read("warmup_steps", o.warmup_steps, 0, 1'000'000);
  reader.read("weight_decay", o.weight_decay, 0, 1);
  reader.read("clip_norm", o.clip_norm, 0, 1e6);
  reader.read("label_smoothing", o.label_smoothing, 0, 0.99);
  reader.read("dropout", o.dropout, 0, 0.9);
  reader.read("seed", o.seed, 0, std::int64_t{1} << 62);
  reader.read("steps", o.steps, 0, 100'000'000);
  reader.read("epochs", o.epochs, 1, 100'000);
  reader.read("score_scale", o.score_scale, 0, 1e4);
  reader.read("train_encoder", o.train_encoder);
  reader.read("generator_layers", o.generator_layers, -1, 1000);
  reader.read("passage_tokens", o.prompt.passage_tokens, 8, 4096);
  reader.read("question_tokens", o.prompt.question_tokens, 4, 4096);
  reader.read("answer_tokens", o.prompt.answer_tokens, 1, 512);
  reader.read("checkpoint", o.checkpoint);
  reader.read("checkpoint_every_steps", o.checkpoint_every_steps, 0, 100'000'000);
  reader.read("precision", o.precision, {"float32", "bfloat16"});
  reader.read("threads", o.threads, 1, 256);
  reader.read("nproc", o.nproc, 1, 64);
  reader.read("pool", o.pool);
  reader.read("retrieval_deadline_ms", o.retrieval_deadline, 1, 600'000);
  reader.read("retrieval_wait_ms", o.retrieval_wait, 0, 3'600'000);
  reader.read("group_timeout_ms", o.group_timeout, 1'000, 3'600'000);
  if (o.retrieval_wait >= o.group_timeout) {
    reader.fail("retrieval_wait_ms",
                "less than group_timeout_ms (" + std::to_string(o.group_timeout.count()) +
                    "), so that a rank that waits for the pool is not taken for dead",
                std::to_string(o.retrieval_wait.count()));
  }
  reader.finish();
  return o;
}

void TrainOptions::validate() const {
  if (train.empty()) {
    throw base::UserError(
        "train.questions.train: expected a file of questions, got none; make one with: rookery "
        "index questions");
  }
  if (!train_encoder && generator_layers == 0) {
    throw base::UserError(
        "train: expected something to train, got train_encoder: false and generator_layers: 0");
  }
  if (pool == "embedded" && index.empty()) {
    throw base::UserError("index.path: expected a snapshot for pool: embedded, got none");
  }
}

}  // namespace rookery::trainer
