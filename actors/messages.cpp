#include "actors/messages.hpp"

namespace rookery::actors {

std::string to_string(Errc code) {
  switch (code) {
    case Errc::kWrongVersion:
      return "the peer speaks another version of the control protocol; run the same Rookery "
             "everywhere";
    case Errc::kWrongColony:
      return "this head belongs to another colony";
    case Errc::kUnknownSlot:
      return "the colony has no such shard or replica";
    case Errc::kSlotTaken:
      return "another living node holds this shard and replica";
    case Errc::kWrongGeneration:
      return "the colony serves another generation of the index";
    case Errc::kInvalid:
      return "a field of the message is out of its range";
    case Errc::kNotJoined:
      return "the node is not registered with this head";
  }
  return "unknown control error";
}

bool from_integer(std::uint8_t value, Errc& code) {
  if (value < 1 || value > static_cast<std::uint8_t>(Errc::kNotJoined)) return false;
  code = static_cast<Errc>(value);
  return true;
}

bool from_string(caf::string_view text, Errc& code) {
  for (std::uint8_t value = 1; from_integer(value, code); ++value) {
    if (to_string(code) == std::string(text.begin(), text.end())) return true;
  }
  return false;
}

}  // namespace rookery::actors
