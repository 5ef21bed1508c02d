// F13, F14, F21, F22: what lies on disk.
#include <signal.h>
#include <sys/mount.h>

#include <algorithm>
#include <fstream>
#include <random>
#include <set>

#include "base/atomic_file.hpp"
#include "base/error.hpp"
#include "index_tools/snapshot.hpp"
#include "launch/chaos/kill_points.hpp"
#include "launch/chaos/scenario.hpp"
#include "launch/chaos/trial.hpp"

namespace rookery::launch {
namespace {

namespace fs = std::filesystem;

std::string read_bytes(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}
void write_bytes(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

/// The words of the `UserError` that opening throws; empty when it opens.
std::string open_error(const fs::path& snapshot, std::int32_t shard) {
  try {
    (void)index_tools::open_shard(snapshot, shard);
    return "";
  } catch (const base::UserError& error) {
    return error.what();
  }
}

void damaged_files(ScenarioRoom& room, ScenarioReport& report) {
  ChaosCorpus corpus{400, 32, 2, {"int8", "hnsw", "ivfpq:pq_bytes=8", "bm25"}};
  const fs::path name = room.folder / "damaged";
  write_chaos_snapshot(name, corpus, room.seed);
  const fs::path folder = index_tools::resolve_generation(name);
  std::vector<std::pair<fs::path, std::int32_t>> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file() || entry.path().parent_path() == folder) continue;
    const auto shard = entry.path().parent_path().filename().string();
    files.emplace_back(entry.path(), shard.back() - '0');
  }
  std::sort(files.begin(), files.end());
  std::mt19937_64 random(room.seed);
  std::int64_t flips = 0, flips_found = 0, cuts = 0, cuts_found = 0, named = 0;
  const auto try_open = [&](const fs::path& file, std::int32_t shard, std::int64_t& found) {
    const auto error = open_error(name, shard);
    found += !error.empty();
    named += error.find(file.filename().string()) != std::string::npos;
  };
  const int flips_wanted = room.brief ? 120 : 1200, cuts_wanted = room.brief ? 60 : 600;
  for (; flips < flips_wanted; ++flips) {
    const auto& [file, shard] = files[random() % files.size()];
    const auto bytes = read_bytes(file);
    auto damaged = bytes;
    const auto bit = random() % (bytes.size() * 8);
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    write_bytes(file, damaged);
    try_open(file, shard, flips_found);
    write_bytes(file, bytes);
  }
  // Every 4 KiB of every file in turn, then random places.
  std::vector<std::pair<std::size_t, std::size_t>> places;
  for (std::size_t i = 0; i < files.size(); ++i) {
    for (std::size_t at = 0; at < fs::file_size(files[i].first); at += 4096) {
      places.emplace_back(i, at);
    }
  }
  std::shuffle(places.begin(), places.end(), random);
  while (static_cast<int>(places.size()) < cuts_wanted) {
    const auto i = random() % files.size();
    places.emplace_back(i, random() % fs::file_size(files[i].first));
  }
  for (; cuts < cuts_wanted; ++cuts) {
    const auto& [i, at] = places[static_cast<std::size_t>(cuts)];
    const auto& [file, shard] = files[i];
    const auto bytes = read_bytes(file);
    fs::resize_file(file, at);
    try_open(file, shard, cuts_found);
    write_bytes(file, bytes);
  }
  // The same file of two shards, exchanged.
  std::int64_t swapped = 0, swapped_found = 0;
  for (const auto& [file, shard] : files) {
    if (shard != 0) continue;
    const auto other = folder / "shard-1" / file.filename();
    if (!fs::exists(other) || read_bytes(file) == read_bytes(other)) continue;
    const auto keep = file.string() + ".keep";
    fs::rename(file, keep);
    fs::rename(other, file);
    fs::rename(keep, other);
    ++swapped;
    swapped_found += !open_error(name, 0).empty() && !open_error(name, 1).empty();
    fs::rename(file, keep);
    fs::rename(other, file);
    fs::rename(keep, other);
  }
  report.count("bit flips not found", static_cast<double>(flips - flips_found), 0);
  report.count("truncations not found", static_cast<double>(cuts - cuts_found), 0);
  report.count("swapped files not found", static_cast<double>(swapped - swapped_found), 0);
  report.count("messages that do not name the file", static_cast<double>(flips + cuts - named), 0);
  report.count("the restored snapshot is refused", open_error(name, 0).empty() ? 0 : 1, 0);
  report.notes.push_back(std::to_string(flips) + " flips, " + std::to_string(cuts) +
                         " truncations and " + std::to_string(swapped) + " exchanges over " +
                         std::to_string(files.size()) + " files of every kind");
  fs::remove_all(name);
}

/// A copy of the room's snapshot that a scenario may spoil.
class OwnSnapshot {
 public:
  OwnSnapshot(ScenarioRoom& room, const std::string& name) : room_(room), kept_(room.snapshot) {
    const auto copy = room.folder / name;
    fs::copy(kept_, copy, fs::copy_options::recursive | fs::copy_options::copy_symlinks);
    room.snapshot = copy;
  }
  ~OwnSnapshot() {
    std::error_code ignored;
    fs::remove_all(room_.snapshot, ignored);
    room_.snapshot = kept_;
  }
  OwnSnapshot(const OwnSnapshot&) = delete;
  OwnSnapshot& operator=(const OwnSnapshot&) = delete;

 private:
  ScenarioRoom& room_;
  fs::path kept_;
};

void replaced_files(ScenarioRoom& room, ScenarioReport& report) {
  const OwnSnapshot own(room, "replaced");
  Trial trial(room, report);
  trial.measure_healthy(room.brief ? 1 : 3);
  const fs::path vectors = index_tools::resolve_generation(room.snapshot) / "shard-0" / "vectors";
  const auto sound = read_bytes(vectors);
  auto damaged = sound;
  damaged[damaged.size() / 2] = static_cast<char>(damaged[damaged.size() / 2] ^ 1);

  // 1. Another file under the same name: who has the old one mapped goes on with it; a node that
  // starts anew must refuse the new one.
  base::write_file_atomically(vectors, damaged);
  room.rest(room.brief ? 0.5 : 3);
  const pid_t victim = trial.pid_of(0, 0);
  ::kill(victim, SIGKILL);
  const bool refused = room.wait_until(
      [&] {
        const auto member = trial.colony().member(0, 0);
        return member && member->reason.find("checksum") != std::string::npos;
      },
      20);
  const auto replaced_errors = summarise(trial.load().calls(), 0, trial.now()).errors;

  // 2. No file at all.
  fs::remove(vectors);
  room.rest(room.brief ? 0.5 : 3);
  const auto deleted_errors = summarise(trial.load().calls(), 0, trial.now()).errors;

  // 3. Sound again: the refused node comes back by itself.
  base::write_file_atomically(vectors, sound);
  const bool back = room.wait_until([&] { return trial.colony().status().complete; }, 60);

  // 4. The mapped file itself shrinks: reading it is a SIGBUS. (Only a mistake does this.)
  const double cut = trial.now();
  fs::resize_file(vectors, 0);
  room.rest(room.brief ? 1 : 3);
  const auto logs = trial.colony().logs();
  base::write_file_atomically(vectors, sound);
  const bool again = room.wait_until([&] { return trial.colony().status().complete; }, 90);
  const double restored = trial.now();
  room.rest(1.5);
  trial.finish(true);
  report.at_least("a damaged file was refused by its checksum", refused ? 1 : 0, 1);
  report.count("failed calls while files were replaced", static_cast<double>(replaced_errors), 0);
  report.count("failed calls while a file was gone", static_cast<double>(deleted_errors), 0);
  report.at_least("complete again with the sound file", back ? 1 : 0, 1);
  report.at_least("a truncated mapped file is named in the log",
                  logs.find("cannot be read any more") != std::string::npos ? 1 : 0, 1);
  report.at_least("complete again after that", again ? 1 : 0, 1);
  report.count("errors afterwards",
               static_cast<double>(summarise(trial.calls(), restored + 0.5, 1e9).errors), 0);
  report.notes.push_back(std::to_string(summarise(trial.calls(), cut, restored).errors) +
                         " explicit errors while the shard had no sound file");
}

/// A small file system of its own, gone with this object (and with this process, in whose own
/// mount namespace it lies).
class SmallDisk {
 public:
  SmallDisk(const fs::path& folder, const std::string& size) : folder_(folder) {
    fs::create_directories(folder);
    if (::mount("tmpfs", folder.c_str(), "tmpfs", 0, ("size=" + size).c_str()) != 0) {
      throw SkipScenario("a small tmpfs cannot be mounted here; run as root");
    }
  }
  ~SmallDisk() { ::umount2(folder_.c_str(), MNT_DETACH); }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  void resize(const std::string& size) const {
    ::mount("tmpfs", folder_.c_str(), "tmpfs", MS_REMOUNT, ("size=" + size).c_str());
  }
  /// Fills it to the last byte.
  void fill() const {
    std::ofstream file(folder_ / "ballast", std::ios::binary);
    const std::string block(64 << 10, 'x');
    while (file.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) {
    }
    std::ofstream rest(folder_ / "crumbs", std::ios::binary);
    while (rest.put('x').flush()) {
    }
  }
  void empty() const {
    fs::remove(folder_ / "ballast");
    fs::remove(folder_ / "crumbs");
  }

 private:
  fs::path folder_;
};

void full_disk(ScenarioRoom& room, ScenarioReport& report) {
  // 1. A build that meets a full disk at every size of it: the old generation stays, whole.
  const ChaosCorpus corpus{600, 64, 2, {"int8", "bm25"}};
  int tried = 0, told = 0, whole = 0;
  {
    const fs::path disk_folder = room.folder / "small-disk";
    const SmallDisk disk(disk_folder, "64m");
    const auto old = write_chaos_snapshot(disk_folder / "index", corpus, room.seed);
    std::int64_t used = 0;
    for (const auto& entry : fs::recursive_directory_iterator(disk_folder)) {
      if (entry.is_regular_file())
        used += (static_cast<std::int64_t>(entry.file_size()) + 4095) / 4096 * 4096;
    }
    const int steps = room.brief ? 6 : 40;
    for (int step = 0; step < steps; ++step) {
      disk.resize(std::to_string(used + 40'960 + used * step / steps * 8 / 10));
      ++tried;
      try {
        write_chaos_snapshot(disk_folder / "index", corpus, room.seed + 1);
      } catch (const base::UserError&) {
        ++told;
      }
      std::int64_t blocks = 0;
      whole += index_tools::load_manifest(disk_folder / "index").generation == old &&
               index_tools::verify_snapshot(disk_folder / "index", std::nullopt, blocks).empty();
    }
    disk.resize("64m");
    const auto fresh = write_chaos_snapshot(disk_folder / "index", corpus, room.seed + 1);
    report.at_least("with room again the build succeeds",
                    index_tools::load_manifest(disk_folder / "index").generation == fresh, 1);
  }
  report.count("builds that did not tell", tried - told, 0);
  report.count("builds after which the old generation was not whole", tried - whole, 0);

  // 2. The colony's own folder (logs, records, wanted state) is full while it serves and restarts.
  const SmallDisk disk(room.folder / ("home-" + std::to_string(room.colonies + 1)), "16m");
  Trial trial(room, report);
  trial.measure_healthy(room.brief ? 1 : 3);
  disk.fill();
  const pid_t victim = trial.pid_of(0, 0);
  ::kill(victim, SIGKILL);
  const bool back = room.wait_until(
      [&] {
        const auto member = trial.colony().member(0, 0);
        return member && member->state == "ready" && member->pid != victim;
      },
      20);
  room.rest(room.brief ? 1 : 5);
  disk.empty();
  trial.finish();
  report.at_least("a node restarts although logs cannot be written", back ? 1 : 0, 1);
}

void killed_saves(ScenarioRoom& room, ScenarioReport& report) {
  const auto outcome = try_kill_points(room);
  report.count("kill points that left no whole generation", outcome.broken, 0);
  report.count("kill points after which a new build fails", outcome.not_resumed, 0);
  report.at_least("kill points tried", outcome.tried, room.brief ? 15 : outcome.points);
  report.notes.push_back(std::to_string(outcome.points) +
                         " system calls of a build change the disk; " +
                         std::to_string(outcome.kept_old) + " kills left the old generation, " +
                         std::to_string(outcome.have_new) + " the new one");
  report.notes.emplace_back(
      "processes are killed, the machine is not: what was not yet on disk survives here");
}

}  // namespace

std::vector<Scenario> file_scenarios() {
  return {
      {"F13", "index files with flipped bits, cut off, exchanged", true, damaged_files},
      {"F14", "index files replaced, deleted and truncated under running nodes", false,
       replaced_files},
      {"F21", "the disk is full: builds, logs, records", false, full_disk},
      {"F22", "SIGKILL of a build at every system call that changes the disk", true, killed_saves}};
}

}  // namespace rookery::launch
