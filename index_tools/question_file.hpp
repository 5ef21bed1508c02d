#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace rookery::index_tools {

/// One question of a question file (JSON lines).
struct Question {
  std::string id;                    ///< the file's own, or the running number from 0 as text
  std::string question;              ///< not empty
  std::vector<std::string> answers;  ///< acceptable answers, at least one unless told otherwise
  std::string passage_id;            ///< passage or source that holds the answer; may be empty
};

struct QuestionFileOptions {
  bool answers_required = true;  ///< false: prompts without known answers are welcome
  std::int64_t limit = 0;        ///< only so many from the start; 0: all
  std::int64_t line_bytes_max = 1 << 20;
};

/// Reads `question`, `answers[]`, optional `passage_id` and `id` from each line; other keys are
/// ignored and blank lines skipped. The first broken line is a `UserError`: `FILE:LINE: what was
/// expected, what came`. A file without questions is refused too.
std::vector<Question> read_questions(const std::filesystem::path& path,
                                     const QuestionFileOptions& options = {});

/// Writes the same format, atomically.
void write_questions(const std::filesystem::path& path, const std::vector<Question>& questions);

}  // namespace rookery::index_tools
