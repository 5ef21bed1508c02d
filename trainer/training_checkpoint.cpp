#include "trainer/training_checkpoint.hpp"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>
#include <system_error>

#include "base/atomic_file.hpp"
#include "base/error.hpp"

namespace rookery::trainer {
namespace {

namespace fs = std::filesystem;
constexpr auto kStateName = "state.json";
constexpr int kSchema = 1;

[[noreturn]] void fail(const fs::path& path, const std::string& what, const std::error_code& why) {
  throw base::UserError(path.string() + ": " + what + ": " + why.message());
}

/// Puts `fresh` in the place of `folder`, whose old content ends up where `fresh` was.
void exchange(const fs::path& fresh, const fs::path& folder) {
  std::error_code error;
  if (!fs::exists(folder)) {
    fs::rename(fresh, folder, error);
    if (error) fail(folder, "cannot be renamed from " + fresh.string(), error);
    return;
  }
  if (::renameat2(AT_FDCWD, fresh.c_str(), AT_FDCWD, folder.c_str(), RENAME_EXCHANGE) != 0) {
    fail(folder, "cannot be exchanged with " + fresh.string(),
         std::error_code(errno, std::generic_category()));
  }
}

}  // namespace

std::string TrainingPosition::to_json() const {
  const nlohmann::json json = {{"schema", kSchema},
                               {"step", step},
                               {"total_steps", total_steps},
                               {"seed", seed},
                               {"ranks", ranks},
                               {"batch_size", batch_size},
                               {"method", method},
                               {"index_generation", index_generation},
                               {"passage_tokens", prompt.passage_tokens},
                               {"question_tokens", prompt.question_tokens},
                               {"answer_tokens", prompt.answer_tokens},
                               {"score_scale", score_scale},
                               {"losses", losses}};
  return json.dump(2) + "\n";
}

TrainingPosition TrainingPosition::from_json(const std::string& text, const std::string& where) {
  try {
    const auto json = nlohmann::json::parse(text);
    if (json.at("schema") != kSchema) {
      throw base::UserError(where + ": schema: expected " + std::to_string(kSchema) + ", got " +
                            json.at("schema").dump());
    }
    TrainingPosition position;
    json.at("step").get_to(position.step);
    json.at("total_steps").get_to(position.total_steps);
    json.at("seed").get_to(position.seed);
    json.at("ranks").get_to(position.ranks);
    json.at("batch_size").get_to(position.batch_size);
    json.at("method").get_to(position.method);
    json.at("index_generation").get_to(position.index_generation);
    json.at("passage_tokens").get_to(position.prompt.passage_tokens);
    json.at("question_tokens").get_to(position.prompt.question_tokens);
    json.at("answer_tokens").get_to(position.prompt.answer_tokens);
    json.at("score_scale").get_to(position.score_scale);
    json.at("losses").get_to(position.losses);
    return position;
  } catch (const nlohmann::json::exception& error) {
    throw base::UserError(where + ": expected the state of a training run, got: " + error.what());
  }
}

void save_training_checkpoint(const TrainingCheckpoint& checkpoint, const fs::path& folder) {
  // Without a trailing slash, so that `.partial` goes behind the name.
  const fs::path target = folder.has_filename() ? folder : folder.parent_path();
  if (fs::exists(target) && !is_training_checkpoint(target)) {
    throw base::UserError(target.string() +
                          ": expected a checkpoint folder or none, got something else; choose "
                          "another train.checkpoint");
  }
  fs::path partial = target;
  partial += ".partial-" + std::to_string(::getpid());
  std::error_code error;
  fs::remove_all(partial, error);
  fs::create_directories(partial, error);
  if (error) fail(partial, "cannot make this folder", error);
  try {
    engine::save_checkpoint(checkpoint.question_encoder, partial / "question_encoder");
    engine::save_checkpoint(checkpoint.generator, partial / "generator");
    engine::save_checkpoint(checkpoint.optimizer, partial / "optimizer");
    base::write_file_atomically(partial / kStateName, checkpoint.position.to_json());
    base::sync_folder(partial);
    exchange(partial, target);
  } catch (...) {
    fs::remove_all(partial, error);
    throw;
  }
  base::sync_folder(target.has_parent_path() ? target.parent_path() : fs::path("."));
  fs::remove_all(partial, error);  // the old one, if there was one
}

TrainingCheckpoint load_training_checkpoint(const fs::path& folder) {
  if (!is_training_checkpoint(folder)) {
    throw base::UserError(folder.string() +
                          ": expected a checkpoint of a training run, found none; start without "
                          "--resume");
  }
  return {.question_encoder = engine::load_checkpoint(folder / "question_encoder"),
          .generator = engine::load_checkpoint(folder / "generator"),
          .optimizer = engine::load_checkpoint(folder / "optimizer"),
          .position = load_position(folder)};
}

TrainingPosition load_position(const fs::path& folder) {
  const fs::path state = folder / kStateName;
  return TrainingPosition::from_json(base::read_file(state), state.string());
}

fs::path resolve_part(const std::string& name, const std::string& part) {
  return is_training_checkpoint(name) ? fs::path(name) / part : engine::resolve_model(name);
}

bool is_training_checkpoint(const fs::path& folder) { return fs::exists(folder / kStateName); }

std::string trained_against(const engine::Checkpoint& encoder) {
  const auto file = encoder.files.find("rookery.json");
  if (file == encoder.files.end()) return "";
  const auto json = nlohmann::json::parse(file->second, nullptr, false);
  return json.is_object() ? json.value("trained_against", "") : "";
}

}  // namespace rookery::trainer
