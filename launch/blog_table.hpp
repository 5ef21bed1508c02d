#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace rookery::launch {

/// The figures of `run_blog_contest` (and `failures`, where they are there) as people read them, in
/// Markdown, which reads as a table in a terminal too: for every index and compute time one table
/// in the shape of the blog (a row a system, a column a number of trainers), then speed-ups, growth
/// beside its bounds, memory and the failure rows.
std::string blog_markdown(const nlohmann::json& results);

/// Which marks of the comparison hold: `[{"mark", "wanted", "got", "met"}]`; `got` is null where
/// the cells for it are missing. The least favourable cell counts.
nlohmann::json blog_marks(const nlohmann::json& results);

/// A drawing of the table's first index without compute time: median seconds of rank 0 over
/// trainers, a line a system at its best number of actors; light and dark by what the reader
/// prefers.
std::string blog_svg(const nlohmann::json& results);

}  // namespace rookery::launch
