#include "launch/status_table.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <string_view>
#include <vector>

namespace rookery::launch {

namespace {

using actors::ColonyStatus;
using actors::GenerationStatus;
using actors::MemberStatus;

/// What a terminal shows of `text`, in columns; our texts have no wide characters.
std::size_t columns(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  }));
}

std::string cell(const std::string& text, std::size_t width, bool right = false) {
  const auto pad = std::string(width - std::min(width, columns(text)), ' ');
  return right ? pad + text : text + pad;
}

/// Texts of peers are data: a terminal must not obey what stands in them.
std::string harmless(const std::string& text) {
  std::string out;
  for (const char c : text) out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
  return out;
}

std::string number(const char* format, double value) {
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), format, value);
  return text.data();
}

/// "0.31 ms", "12 ms", "1.4 s"; "-" where nobody was asked.
std::string duration(std::int64_t us) {
  if (us <= 0) return "-";
  const auto ms = static_cast<double>(us) / 1'000;
  if (ms < 10) return number("%.2f ms", ms);
  if (ms < 1'000) return number("%.0f ms", ms);
  return number("%.1f s", ms / 1'000);
}

/// The shortest beginning, of four characters or more, that tells the generations apart.
class ShortNames {
 public:
  explicit ShortNames(const ColonyStatus& status) {
    for (const auto& member : status.members) add(member.generation);
    for (const auto& generation : status.generations) add(generation.generation);
    std::sort(names_.begin(), names_.end());
    names_.erase(std::unique(names_.begin(), names_.end()), names_.end());
    for (std::size_t i = 1; i < names_.size(); ++i) {
      std::size_t same = 0;
      while (same < names_[i].size() && same < names_[i - 1].size() &&
             names_[i][same] == names_[i - 1][same]) {
        ++same;
      }
      length_ = std::max(length_, same + 1);
    }
  }
  [[nodiscard]] std::string of(const std::string& generation) const {
    return generation.empty() ? "-" : harmless(generation.substr(0, length_));
  }

 private:
  void add(const std::string& name) {
    if (!name.empty()) names_.push_back(name);
  }
  std::vector<std::string> names_;
  std::size_t length_ = 4;
};

std::string state_word(const MemberStatus& member) {
  if (member.crash_loop) return "crashing";
  if (member.state == "ready" && !member.in_contact) return "lost";
  if (member.drained && member.state == "gone") return "drained";
  return harmless(member.state);
}

const GenerationStatus* find_role(const ColonyStatus& status, const std::string& index,
                                  const std::string& role) {
  for (const auto& generation : status.generations) {
    if (generation.index == index && generation.role == role) return &generation;
  }
  return nullptr;
}

class Table {
 public:
  Table(const ColonyStatus& status, const ServedRates& rates, const StatusTableOptions& options)
      : status_(status), rates_(rates), options_(options), names_(status) {}

  std::string text() {
    if (options_.silent_seconds > 0) {
      line(painted("the head has not answered for " +
                       number("%.0f s; this is what it said then", options_.silent_seconds),
                   kRed));
    }
    head();
    generations();
    members();
    operations();
    troubles();
    return std::move(out_);
  }

 private:
  static constexpr const char* kGreen = "\033[32m";
  static constexpr const char* kYellow = "\033[33m";
  static constexpr const char* kRed = "\033[31m";

  void line(const std::string& text) { out_ += text + "\n"; }
  [[nodiscard]] std::string painted(const std::string& text, const char* colour) const {
    return options_.colours ? colour + text + "\033[0m" : text;
  }

  void head() {
    std::string kinds = status_.kind;
    for (const auto& kind : status_.kinds) {
      if (kind != status_.kind) kinds += ", " + kind;
    }
    line(harmless(status_.colony) + " · " + kinds + " · term " + std::to_string(status_.term) +
         " · view " + std::to_string(status_.epoch) + " · " +
         (status_.complete ? painted("complete", kGreen) : painted("not complete", kYellow)));
  }

  void generations() {
    if (status_.generations.size() < 2) return;  // the table says it all
    for (const auto& generation : status_.generations) {
      const auto ready = std::count_if(
          status_.members.begin(), status_.members.end(), [&](const MemberStatus& member) {
            return member.index == generation.index && member.generation == generation.generation &&
                   member.state == "ready";
          });
      line(harmless(generation.index) + " · " + names_.of(generation.generation) + " · " +
           generation.role + " · " + std::to_string(generation.shards) + " × " +
           std::to_string(generation.replicas) + " · " + std::to_string(ready) + " of " +
           std::to_string(generation.shards * generation.replicas) + " ready");
    }
  }

  /// `7f3a → 91bc` while another generation is being prepared.
  [[nodiscard]] std::string generation_of(const MemberStatus& member) const {
    const auto* next = find_role(status_, member.index, "preparing");
    const auto* live = find_role(status_, member.index, "live");
    const auto name = names_.of(member.generation);
    const bool swaps = next != nullptr && live != nullptr && member.generation == live->generation;
    return swaps ? name + " → " + names_.of(next->generation) : name;
  }

  void members() {
    line("shard replica node     state    generation  queue    wait     p50     p99    q/s");
    std::string index = status_.members.empty() ? "" : status_.members.front().index;
    const bool several = std::any_of(status_.members.begin(), status_.members.end(),
                                     [&](const auto& member) { return member.index != index; });
    index.clear();
    for (const auto& member : status_.members) {
      if (several && member.index != index) line("index " + harmless(member.index));
      index = member.index;
      const auto state = state_word(member);
      const char* colour = state == "ready"                         ? kGreen
                           : state == "crashing" || state == "gone" ? kRed
                                                                    : kYellow;
      const double rate = rates_.of(member);
      // Padding first: a colour has no width.
      line(cell(std::to_string(member.shard), 5) + " " + cell(std::to_string(member.replica), 7) +
           " " + cell(member.node.empty() ? "-" : harmless(member.node), 8) + " " +
           painted(cell(state, 8), colour) + " " + cell(generation_of(member), 11) + " " +
           cell(std::to_string(member.queue), 5, true) + " " +
           cell(duration(member.queue_wait_us), 7, true) + " " +
           cell(duration(member.p50_us), 7, true) + " " + cell(duration(member.p99_us), 7, true) +
           " " + cell(rate < 0 ? "-" : number("%.0f", rate), 6, true));
    }
  }

  void operations() {
    for (const auto& operation : status_.operations) {
      if (operation.state == "done") continue;
      const auto& whom = !operation.node.empty()    ? operation.node
                         : !operation.agent.empty() ? operation.agent
                                                    : operation.index;
      std::string text = operation.action + " " + whom + ": " + operation.state;
      if (operation.of > 0) {
        text += " · step " + std::to_string(operation.step) + " of " + std::to_string(operation.of);
      }
      if (!operation.text.empty()) text += " · " + operation.text;
      line(operation.state == "running" ? harmless(text) : painted(harmless(text), kYellow));
    }
  }

  void troubles() {
    for (const auto& member : status_.members) {
      if (member.state == "ready" || member.reason.empty()) continue;
      line(painted(harmless(member.node + " ended with code " + std::to_string(member.exit_code) +
                            ": " + member.reason),
                   kRed));
    }
    for (const auto& agent : status_.agents) {
      if (!agent.connected) {
        line(painted("agent " + harmless(agent.agent) + " is not connected", kYellow));
      }
      if (agent.drained) line("agent " + harmless(agent.agent) + " is drained");
    }
    if (status_.agents.empty()) line(painted("no agent has come yet", kYellow));
  }

  const ColonyStatus& status_;
  const ServedRates& rates_;
  StatusTableOptions options_;
  ShortNames names_;
  std::string out_;
};

}  // namespace

void ServedRates::look(const ColonyStatus& status, Time now) {
  const double seconds = std::chrono::duration<double>(now - at_).count();
  std::map<Process, std::int64_t> served;
  rates_.clear();
  for (const auto& member : status.members) {
    const Process process(member.node, member.pid);
    const auto before = served_.find(process);
    if (before != served_.end() && seconds > 0 && member.served >= before->second) {
      rates_[process] = static_cast<double>(member.served - before->second) / seconds;
    }
    served[process] = member.served;
  }
  served_ = std::move(served);
  at_ = now;
}

double ServedRates::of(const MemberStatus& member) const {
  const auto found = rates_.find({member.node, member.pid});
  return found == rates_.end() ? -1 : found->second;
}

std::string status_table(const ColonyStatus& status, const ServedRates& rates,
                         const StatusTableOptions& options) {
  return Table(status, rates, options).text();
}

}  // namespace rookery::launch
