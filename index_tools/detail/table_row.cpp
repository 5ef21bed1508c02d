#include "index_tools/detail/table_row.hpp"

#include "base/error.hpp"

namespace rookery::index_tools::detail {

std::vector<std::string> split_table_row(std::string_view line, const std::string& where) {
  std::vector<std::string> fields;
  std::size_t at = 0;
  while (true) {
    std::string field;
    if (at < line.size() && line[at] == '"') {
      std::size_t from = at + 1;
      while (true) {
        const std::size_t quote = line.find('"', from);
        if (quote == std::string_view::npos) {
          throw base::UserError(where + "column " + std::to_string(fields.size() + 1) +
                                ": expected a closing quote on this line, found none");
        }
        field += line.substr(from, quote - from);
        from = quote + 1;
        if (from >= line.size() || line[from] != '"') break;
        field += '"';
        ++from;
      }
      if (from < line.size() && line[from] != '\t') {
        throw base::UserError(where + "column " + std::to_string(fields.size() + 1) +
                              ": expected a tab or the end of the line behind the closing " +
                              "quote, got '" + std::string(1, line[from]) +
                              "'; a quote inside a quoted field is written twice");
      }
      at = from;
    } else {
      const std::size_t end = std::min(line.find('\t', at), line.size());
      field = line.substr(at, end - at);
      at = end;
    }
    fields.push_back(std::move(field));
    if (at >= line.size()) return fields;
    ++at;  // the tab
  }
}

}  // namespace rookery::index_tools::detail
