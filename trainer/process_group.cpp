#include "trainer/process_group.hpp"

#include <c10/util/intrusive_ptr.h>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#include <torch/csrc/distributed/c10d/reducer.hpp>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <functional>
#include <string_view>
#include <unordered_map>

#include "base/error.hpp"

namespace rookery::trainer {
namespace {

constexpr std::int64_t kBucketBytes = 25 << 20;  // as in PyTorch's DDP
constexpr std::int64_t kFirstBucketBytes = 1 << 20;

std::int64_t whole_number(const char* name, std::int64_t low, std::int64_t high) {
  const char* raw = std::getenv(name);
  const std::string_view text = raw == nullptr ? "" : raw;
  std::int64_t value = low - 1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < low || value > high) {
    throw base::UserError(std::string(name) + ": expected an integer in [" + std::to_string(low) +
                          ", " + std::to_string(high) + "], got '" + std::string(text) + "'");
  }
  return value;
}

/// The first line of what a torch exception says; the rest is a stack.
std::string first_line(const char* what) {
  const std::string text(what);
  return text.substr(0, text.find('\n'));
}

}  // namespace

RankOptions RankOptions::from_environment(std::chrono::milliseconds timeout) {
  RankOptions options;
  options.timeout = timeout;
  if (std::getenv("RANK") == nullptr && std::getenv("WORLD_SIZE") == nullptr) return options;
  options.ranks = static_cast<std::int32_t>(whole_number("WORLD_SIZE", 1, 4096));
  options.rank = static_cast<std::int32_t>(whole_number("RANK", 0, options.ranks - 1));
  if (const char* address = std::getenv("MASTER_ADDR")) options.master_address = address;
  if (options.ranks > 1) {
    options.master_port = static_cast<std::uint16_t>(whole_number("MASTER_PORT", 1, 65535));
  }
  return options;
}

struct ProcessGroup::Impl {
  c10::intrusive_ptr<c10d::Store> store;
  c10::intrusive_ptr<c10d::ProcessGroup> group;
  std::vector<torch::Tensor> parameters;
  std::unique_ptr<c10d::Reducer> reducer;
};

namespace {

/// Runs a collective; what c10d throws means that another rank is lost.
void collective(const RankOptions& options, const char* what, const std::function<void()>& call) {
  try {
    call();
  } catch (const std::exception& error) {
    throw RankLost("rank " + std::to_string(options.rank) + ": lost another rank during " + what +
                   " (" + first_line(error.what()) +
                   "); its own message tells why; go on with --resume");
  }
}

}  // namespace

ProcessGroup::ProcessGroup(const RankOptions& options) : options_(options) {
  if (options.ranks == 1) return;
  impl_ = std::make_unique<Impl>();
  collective(options, "start-up", [&] {
    c10d::TCPStoreOptions store_options;
    store_options.port = options.master_port;
    store_options.isServer = options.rank == 0;
    store_options.numWorkers = static_cast<std::size_t>(options.ranks);
    store_options.timeout = options.timeout;
    impl_->store = c10::make_intrusive<c10d::TCPStore>(options.master_address, store_options);
    auto gloo_options = c10d::ProcessGroupGloo::Options::create(options.timeout);
    // Gloo would otherwise take the host name's address, which may be no loopback one (law 5).
    const bool local = options.master_address == "127.0.0.1" ||
                       options.master_address == "localhost" || options.master_address == "::1";
    gloo_options->devices.push_back(
        local ? c10d::ProcessGroupGloo::createDeviceForHostname("127.0.0.1")
              : c10d::ProcessGroupGloo::createDefaultDevice());
    auto gloo = c10::make_intrusive<c10d::ProcessGroupGloo>(impl_->store, options.rank,
                                                            options.ranks, gloo_options);
    impl_->group =
        c10::make_intrusive<c10d::ProcessGroup>(impl_->store, options.rank, options.ranks);
    impl_->group->setBackend(c10::DeviceType::CPU, c10d::ProcessGroup::BackendType::GLOO, gloo);
    impl_->group->setDefaultBackend(c10d::ProcessGroup::BackendType::GLOO);
  });
}

ProcessGroup::~ProcessGroup() = default;

void ProcessGroup::sum(std::vector<double>& values) {
  if (!impl_) return;
  collective(options_, "a sum", [&] {
    std::vector<torch::Tensor> tensors{torch::tensor(values, torch::kFloat64)};
    impl_->group->allreduce(tensors)->wait();
    const auto* result = tensors[0].data_ptr<double>();
    values.assign(result, result + values.size());
  });
}

void ProcessGroup::broadcast(std::vector<std::int64_t>& values) {
  if (!impl_) return;
  collective(options_, "a broadcast", [&] {
    std::vector<torch::Tensor> tensors{torch::tensor(values, torch::kInt64)};
    impl_->group->broadcast(tensors)->wait();
    const auto* result = tensors[0].data_ptr<std::int64_t>();
    values.assign(result, result + values.size());
  });
}

void ProcessGroup::barrier() {
  std::vector<double> nothing(1);
  sum(nothing);
}

std::vector<float> ProcessGroup::gather(std::span<const float> values) {
  if (!impl_) return {values.begin(), values.end()};
  const auto count = static_cast<std::int64_t>(values.size());
  std::vector<float> all;
  collective(options_, "a gather", [&] {
    torch::Tensor mine = torch::empty({count});
    std::copy(values.begin(), values.end(), mine.data_ptr<float>());
    std::vector<torch::Tensor> inputs{mine};
    std::vector<std::vector<torch::Tensor>> outputs;
    if (rank() == 0) {
      outputs.resize(1);
      for (std::int32_t i = 0; i < ranks(); ++i) outputs[0].push_back(torch::empty({count}));
    }
    impl_->group->gather(outputs, inputs)->wait();
    if (rank() != 0) return;
    for (const torch::Tensor& part : outputs[0]) {
      all.insert(all.end(), part.data_ptr<float>(), part.data_ptr<float>() + count);
    }
  });
  return all;
}

template <class T>
std::vector<T> ProcessGroup::scatter_values(std::span<const T> values, std::size_t count) {
  const std::size_t wanted = rank() == 0 ? count * static_cast<std::size_t>(ranks()) : 0;
  if (values.size() != wanted) {
    throw std::invalid_argument("scatter: expected " + std::to_string(wanted) + " values, got " +
                                std::to_string(values.size()));
  }
  if (!impl_) return {values.begin(), values.end()};
  std::vector<T> mine;
  collective(options_, "a scatter", [&] {
    const auto type = torch::CppTypeToScalarType<T>::value;
    std::vector<torch::Tensor> outputs{torch::empty({static_cast<std::int64_t>(count)}, type)};
    std::vector<std::vector<torch::Tensor>> inputs;
    if (rank() == 0) {
      inputs.resize(1);
      for (std::int32_t i = 0; i < ranks(); ++i) {
        inputs[0].push_back(torch::empty({static_cast<std::int64_t>(count)}, type));
        const auto part = values.subspan(static_cast<std::size_t>(i) * count, count);
        std::copy(part.begin(), part.end(), inputs[0].back().template data_ptr<T>());
      }
    }
    impl_->group->scatter(outputs, inputs)->wait();
    mine.assign(outputs[0].template data_ptr<T>(), outputs[0].template data_ptr<T>() + count);
  });
  return mine;
}

std::vector<std::int64_t> ProcessGroup::scatter(std::span<const std::int64_t> values,
                                                std::size_t count) {
  return scatter_values(values, count);
}

std::vector<float> ProcessGroup::scatter(std::span<const float> values, std::size_t count) {
  return scatter_values(values, count);
}

void ProcessGroup::reduce_gradients_of(const std::vector<models::NamedParameter>& parameters) {
  if (!impl_) return;
  impl_->reducer.reset();
  impl_->parameters.clear();
  std::unordered_map<std::size_t, std::string> names;
  for (const auto& parameter : parameters) {
    names[impl_->parameters.size()] = parameter.name;
    impl_->parameters.push_back(parameter.value);
  }
  collective(options_, "the exchange of parameters", [&] {
    const torch::NoGradGuard no_gradients;
    c10d::verify_params_across_processes(impl_->group, impl_->parameters, std::nullopt);
    for (const torch::Tensor& parameter : impl_->parameters) {
      std::vector<torch::Tensor> tensors{parameter.detach()};
      impl_->group->broadcast(tensors)->wait();
    }
  });
  const std::vector<bool> sparse(impl_->parameters.size(), false);
  auto [buckets, limits] = c10d::compute_bucket_assignment_by_size(
      impl_->parameters,
      {static_cast<std::size_t>(kFirstBucketBytes), static_cast<std::size_t>(kBucketBytes)},
      sparse);
  // Gradients become ready from the last layer to the first.
  std::reverse(buckets.begin(), buckets.end());
  impl_->reducer = std::make_unique<c10d::Reducer>(
      impl_->parameters, std::move(buckets), impl_->group, sparse, kBucketBytes,
      /*find_unused_parameters=*/true, /*gradient_as_bucket_view=*/true, names, kFirstBucketBytes,
      /*skip_all_reduce_unused_params=*/false, /*use_python_reducer=*/false,
      std::vector<std::int64_t>{});
}

void ProcessGroup::backward(const torch::Tensor& loss) {
  if (!impl_ || !impl_->reducer) {
    loss.backward();
    return;
  }
  collective(options_, "the exchange of gradients", [&] {
    impl_->reducer->prepare_for_forward();
    impl_->reducer->prepare_for_backward({loss});
    loss.backward();
  });
}

}  // namespace rookery::trainer
