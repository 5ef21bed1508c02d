#include "base/progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace rookery::base {

namespace {

constexpr int kBarCells = 24;
constexpr std::chrono::milliseconds kRedrawInterval{100};

std::string grouped(std::int64_t number) {
  auto text = std::to_string(number);
  for (auto at = static_cast<int>(text.size()) - 3; at > (number < 0 ? 1 : 0); at -= 3) {
    text.insert(static_cast<std::size_t>(at), 1, ',');
  }
  return text;
}

std::string duration(double seconds) {
  if (seconds < 10) return fmt::format("{:.1f} s", seconds);
  if (seconds < 120) return fmt::format("{:.0f} s", seconds);
  if (seconds < 7200) return fmt::format("{:.0f} min", seconds / 60);
  return fmt::format("{:.1f} h", seconds / 3600);
}

std::string rate(double per_second) {
  if (per_second < 10) return fmt::format("{:.1f}", per_second);
  return grouped(static_cast<std::int64_t>(per_second));
}

std::string bar(double share) {
  const int halves = static_cast<int>(share * kBarCells * 2);
  std::string text;
  for (int cell = 0; cell < kBarCells; ++cell) {
    text += halves >= 2 * cell + 2 ? "━" : halves == 2 * cell + 1 ? "╸" : " ";
  }
  return text;
}

}  // namespace

bool decorated(int stream_descriptor) {
  if (::isatty(stream_descriptor) == 0) return false;
  const char* no_color = std::getenv("NO_COLOR");
  if (no_color != nullptr && *no_color != '\0') return false;
  const char* terminal = std::getenv("TERM");
  return terminal == nullptr || std::string_view(terminal) != "dumb";
}

Progress::Progress(std::string label, std::int64_t total, std::string unit)
    : label_(std::move(label)),
      unit_(std::move(unit)),
      total_(total),
      begin_(std::chrono::steady_clock::now()),
      terminal_(decorated(STDERR_FILENO)) {
  if (terminal_) draw("");
}

Progress::~Progress() {
  if (terminal_ && !finished_) std::fputs("\n", stderr);
}

void Progress::update(std::int64_t done, const std::string& note) {
  done_ = done;
  if (!terminal_ || finished_) return;
  if (std::chrono::steady_clock::now() - drawn_ < kRedrawInterval) return;
  draw(note);
}

void Progress::draw(const std::string& note) {
  drawn_ = std::chrono::steady_clock::now();
  const double seconds = std::chrono::duration<double>(drawn_ - begin_).count();
  const double share =
      total_ > 0 ? std::clamp(static_cast<double>(done_) / static_cast<double>(total_), 0.0, 1.0)
                 : 0.0;
  auto line = fmt::format("{}  {:3.0f} % {}  {}/{} {}", label_, share * 100, bar(share),
                          grouped(done_), grouped(total_), unit_);
  if (done_ > 0 && seconds > 0.5) {
    line += fmt::format(" · {} {}/s", rate(static_cast<double>(done_) / seconds), unit_);
    if (share > 0 && share < 1) {
      line += fmt::format(" · {} left", duration(seconds / share * (1 - share)));
    }
  }
  if (!note.empty()) line += " · " + note;
  // The line is cleared first, so that a shorter one leaves no tail.
  std::fputs(("\r\x1b[K" + line).c_str(), stderr);
  std::fflush(stderr);
}

void Progress::finish(const std::string& note) {
  if (finished_) return;
  finished_ = true;
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  if (done_ < total_) done_ = total_;
  auto line = fmt::format("{}  {} {} in {}", label_, grouped(done_), unit_, duration(seconds));
  if (seconds > 0.05)
    line += fmt::format(" · {} {}/s", rate(static_cast<double>(done_) / seconds), unit_);
  if (!note.empty()) line += " · " + note;
  std::fputs(((terminal_ ? "\r\x1b[K" : "") + line + "\n").c_str(), stderr);
}

}  // namespace rookery::base
