// F3, F4: processes and threads stand still.
#include <signal.h>

#include <algorithm>

#include "launch/chaos/scenario.hpp"
#include "launch/chaos/thread_freeze.hpp"
#include "launch/chaos/trial.hpp"

namespace rookery::launch {
namespace {

/// Until when after `from` calls took much longer than healthy ones: seconds.
double slow_until(const Trial& trial, double from, double to) {
  const double slow_ms = std::max(100.0, 3 * trial.healthy().p99_ms);
  double last = from;
  for (const CallRecord& call : trial.calls()) {
    if (call.due >= from && call.due < to && (call.done - call.due) * 1000 > slow_ms) {
      last = std::max(last, call.due);
    }
  }
  return last - from;
}

/// Thaws at the end of the scope, whatever happened.
class Stopped {
 public:
  explicit Stopped(pid_t pid) : pid_(pid) { ::kill(pid_, SIGSTOP); }
  ~Stopped() { ::kill(pid_, SIGCONT); }
  Stopped(const Stopped&) = delete;
  Stopped& operator=(const Stopped&) = delete;

 private:
  pid_t pid_;
};

void freeze_process(ScenarioRoom& room, ScenarioReport& report) {
  Trial trial(room, report);
  trial.measure_healthy(room.brief ? 2 : 10);
  const double frozen_s = room.brief ? 3 : 30, after_s = room.brief ? 1.5 : 30;
  const double begin = trial.now();
  {
    const Stopped victim(trial.pid_of(0, 0));
    room.rest(frozen_s);
  }
  const double thawed = trial.now();
  room.rest(after_s);
  const double end = trial.now();
  trial.finish();
  report.timing("slow calls end after", slow_until(trial, begin, thawed), 1.5, "s");
  report.timing("p99 / healthy, whole time", trial.p99_ratio(begin, end), 1.5, "x");
  report.timing("p99 / healthy, once out of rotation", trial.p99_ratio(begin + 1.5, thawed), 1.1,
                "x");
}

void freeze_search_thread(ScenarioRoom& room, ScenarioReport& report) {
  Trial trial(room, report);
  trial.measure_healthy(room.brief ? 1.5 : 5);
  const pid_t victim = trial.pid_of(0, 0);
  const double begin = trial.now();
  bool replaced = false;
  {
    FrozenThread frozen(victim, "search");
    // Short searches are done by the thread that reads the socket and would not notice: batches
    // give the hung one work.
    const auto pool = trial.colony().client();
    const auto dimension = static_cast<std::size_t>(room.corpus.dimension);
    const std::vector<float> batch(dimension * 512, 0.25F);
    retriever_pool::RetrievalRequest request;
    request.queries = batch;
    request.k = 1;
    request.want_passages = false;
    replaced = room.wait_until(
        [&] {
          try {
            for (int i = 0; i < 4; ++i) (void)pool->retrieve(request);
          } catch (const retriever_pool::RetrievalError&) {
            // An explicit error is no news here: the clients of the trial are the judges.
          }
          frozen.ended();
          const auto member = trial.colony().member(0, 0);
          return member && member->state == "ready" && member->pid != victim && member->pid > 0;
        },
        room.brief ? 20 : 30);
  }
  const double back = trial.now() - begin;
  room.rest(1);
  const double end = trial.now();
  trial.finish();
  report.at_least("the hung node was replaced", replaced ? 1 : 0, 1);
  report.timing("slow calls end after", slow_until(trial, begin, end), 1.5, "s");
  report.timing("until its successor was ready", back, 15, "s");
}

}  // namespace

std::vector<Scenario> freeze_scenarios() {
  return {
      {"F3", "SIGSTOP of a replica, then SIGCONT", true, freeze_process},
      {"F4", "a node's search thread hangs, its other threads live", true, freeze_search_thread}};
}

}  // namespace rookery::launch
