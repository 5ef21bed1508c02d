#pragma once

#include <condition_variable>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "actors/admin_desk.hpp"
#include "actors/colony_control.hpp"
#include "actors/retirement.hpp"
#include "actors/status_board.hpp"
#include "actors/swap_plan.hpp"
#include "retriever_pool/index_options.hpp"
#include "retriever_pool/lease_desk.hpp"
#include "retriever_pool/warm_up.hpp"

namespace rookery::actors {

struct SwapRunnerOptions {
  /// By index: the smallest recall, how long retired generations stay, how many are kept on disk.
  std::map<std::string, retriever_pool::SwapOptions> indexes;
  SwapTimes times = {};
  retriever_pool::WarmUpOptions warm_up = {};
  std::filesystem::path colonies;  ///< folder of all colonies of this host: what they serve is kept
};

/// The head's hands for generations: carries swaps through their phases, ends retired generations
/// that nobody needs, and clears old ones from the disk. Works on a thread of its own, by orders to
/// the supervisor; what it does is shown as operations of the colony. A head that ends in the
/// middle of a swap leaves a preparing generation, which its successor's runner takes away.
class SwapRunner {
 public:
  /// `leases` outlives the runner.
  SwapRunner(ColonyControl colony, std::shared_ptr<const StatusBoard> board,
             const retriever_pool::LeaseDesk& leases, SwapRunnerOptions options);
  ~SwapRunner();
  SwapRunner(const SwapRunner&) = delete;
  SwapRunner& operator=(const SwapRunner&) = delete;

  /// "swap" or "rollback": 202 when it has begun, 400 for a snapshot that is not there or whose
  /// answers clients could not use, 404 for an unknown index or when there is nothing to go back
  /// to, 409 while something else is under way for the index. Any thread.
  AdminReply order(const AdminRequest& request);

 private:
  struct Swap {
    SwapPlan plan;
    WantedGeneration fresh, before;  // `before`: live when it began
    Operation operation;
    std::int64_t next_id = 0;  // passages of the new one have smaller ids
    bool compared = true;      // false: a way back
    retriever_pool::StoredQueries queries = {};
    retriever_pool::AnsweredIds answers = {};
    std::string figures = {};  // for people
  };
  using Time = std::chrono::steady_clock::time_point;

  AdminReply order_swap(const AdminRequest& request, const WantedIndex& index);
  AdminReply order_rollback(const WantedIndex& index);
  AdminReply begin(const std::string& action, const WantedIndex& index, WantedGeneration fresh,
                   double recall_min, bool compared);
  void run();
  void step(Swap& swap);
  void act(Swap& swap, SwapPlan::Action action, const WantedState& wanted);
  void warm(Swap& swap);
  void compare(Swap& swap);
  [[nodiscard]] SwapSight look(const Swap& swap, const WantedState& wanted) const;
  void show(Swap& swap);
  void finish(Swap& swap);
  /// CURRENT of the index's snapshot names the live generation again, where it names `refused`.
  void point_back(const WantedIndex& index, const std::string& refused);
  void tend();
  void clean_up(const WantedState& wanted, const WantedIndex& index);
  [[nodiscard]] const retriever_pool::SwapOptions& options_of(const std::string& index) const;

  ColonyControl colony_;
  std::shared_ptr<const StatusBoard> board_;
  const retriever_pool::LeaseDesk& leases_;
  SwapRunnerOptions options_;
  std::map<std::string, Retirement> retirements_;  // by index, of the thread

  std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  std::map<std::string, std::unique_ptr<Swap>> swaps_;  // under way, by index
  std::map<std::string, WantedGeneration> previous_;    // live before the last swap, by index
  bool closing_ = false;
  std::thread thread_;
};

}  // namespace rookery::actors
