#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace rookery::index_tools::detail {

/// The fields of one line of a TSV. A field that begins with a double quote ends at the next single
/// one, which must stand before a tab or the end of the line; doubled quotes inside stand for one
/// (`psgs_w100.tsv`). Quotes elsewhere are plain text. Throws `UserError` beginning with `where`
/// for an unclosed quote or text behind a closing one.
std::vector<std::string> split_table_row(std::string_view line, const std::string& where);

}  // namespace rookery::index_tools::detail
