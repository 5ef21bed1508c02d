#include "index_tools/question_file.hpp"

#include "base/atomic_file.hpp"
#include "base/error.hpp"
#include "index_tools/detail/json_line.hpp"
#include "index_tools/detail/line_reader.hpp"
#include "index_tools/detail/utf8.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace rookery::index_tools {

std::vector<Question> read_questions(const std::filesystem::path& path,
                                     const QuestionFileOptions& options) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) {
    throw base::UserError(path.string() + ": no such question file");
  }
  detail::LineReader lines(path, options.line_bytes_max);
  std::vector<Question> questions;
  while (const std::optional<std::string_view> line = lines.next()) {
    const detail::JsonLine object(*line, lines.where());
    Question question;
    question.id = object.id("id");
    if (question.id.empty()) question.id = std::to_string(questions.size());
    question.question = object.text("question");
    if (detail::is_blank(question.question)) object.fail("question", "a question");
    question.answers = object.texts("answers");
    const bool blank_answer = std::any_of(question.answers.begin(), question.answers.end(),
                                          [](const auto& text) { return detail::is_blank(text); });
    if (blank_answer || (options.answers_required && question.answers.empty())) {
      object.fail("answers", "a list of at least one answer, none of them empty");
    }
    question.passage_id = object.id("passage_id");
    questions.push_back(std::move(question));
    if (options.limit > 0 && static_cast<std::int64_t>(questions.size()) == options.limit) break;
  }
  if (questions.empty()) {
    throw base::UserError(path.string() + ": expected at least one question, found none");
  }
  return questions;
}

void write_questions(const std::filesystem::path& path, const std::vector<Question>& questions) {
  base::AtomicFile file(path);
  for (const Question& question : questions) {
    nlohmann::ordered_json line{
        {"id", question.id}, {"question", question.question}, {"answers", question.answers}};
    if (!question.passage_id.empty()) line["passage_id"] = question.passage_id;
    file.write(line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
  }
  file.commit();
}

}  // namespace rookery::index_tools
