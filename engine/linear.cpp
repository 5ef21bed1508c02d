#include "engine/linear.hpp"

#include "engine/detail/kernels.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <new>
#include <stdexcept>
#include <string>

namespace rookery::engine {
namespace {

constexpr std::int32_t kColumns = detail::kPanelColumns;
constexpr std::size_t kHugePage = std::size_t{2} << 20;

std::int32_t panels_of(std::int32_t outputs) { return (outputs + kColumns - 1) / kColumns; }

/// Zeroed pages. Large blocks start at a huge page's border, so that a pass over the weights costs
/// few address translations.
float* map_zeroed(std::size_t bytes) {
  const std::size_t slack = bytes >= kHugePage ? kHugePage : 0;
  void* mapped =
      mmap(nullptr, bytes + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) throw std::bad_alloc();
  if (slack == 0) return static_cast<float*>(mapped);
  auto* begin = static_cast<std::byte*>(mapped);
  std::size_t space = bytes + slack;
  auto* start = static_cast<std::byte*>(std::align(kHugePage, bytes, mapped, space));
  if (start > begin) munmap(begin, static_cast<std::size_t>(start - begin));
  if (space > bytes) munmap(start + bytes, space - bytes);
  madvise(start, bytes, MADV_HUGEPAGE);  // a wish: refusal costs speed only
  return static_cast<float*>(static_cast<void*>(start));
}

std::size_t mapped_bytes(std::int32_t outputs, std::int32_t inputs) {
  const std::size_t bytes = static_cast<std::size_t>(panels_of(outputs)) * kColumns *
                            static_cast<std::size_t>(inputs) * sizeof(float);
  const std::size_t unit = bytes >= kHugePage ? kHugePage : std::size_t{4096};
  return (bytes + unit - 1) / unit * unit;
}

}  // namespace

void PackedMatrix::Unmap::operator()(float* data) const { munmap(data, bytes); }

PackedMatrix::PackedMatrix(std::span<const float> weights, std::int32_t outputs,
                           std::int32_t inputs)
    : outputs_(outputs), inputs_(inputs) {
  if (outputs <= 0 || inputs <= 0 ||
      weights.size() != static_cast<std::size_t>(outputs) * static_cast<std::size_t>(inputs)) {
    throw std::invalid_argument("PackedMatrix: expected weights of [" + std::to_string(outputs) +
                                ", " + std::to_string(inputs) + "], got " +
                                std::to_string(weights.size()) + " floats");
  }
  const std::size_t bytes = mapped_bytes(outputs, inputs);
  storage_ = std::unique_ptr<float[], Unmap>(map_zeroed(bytes), Unmap{bytes});
  const auto row_floats = static_cast<std::size_t>(inputs);
  for (std::int32_t panel = 0; panel < panels_of(outputs); ++panel) {
    float* to = storage_.get() + static_cast<std::size_t>(panel) * kColumns * row_floats;
    const std::int32_t first = panel * kColumns;
    const std::int32_t columns = std::min(kColumns, outputs - first);
    for (std::int32_t column = 0; column < columns; ++column) {
      const float* from = weights.data() + static_cast<std::size_t>(first + column) * row_floats;
      for (std::size_t k = 0; k < row_floats; ++k) to[k * kColumns + column] = from[k];
    }
  }
}

void multiply(base::ThreadTeam& team, const PackedMatrix& weights, const float* x,
              std::int32_t rows, std::span<const float> bias, float* y) {
  if (!bias.empty() && bias.size() != static_cast<std::size_t>(weights.outputs())) {
    throw std::invalid_argument("multiply: expected a bias of [" +
                                std::to_string(weights.outputs()) + "], got " +
                                std::to_string(bias.size()) + " floats");
  }
  if (rows <= 0 || weights.outputs() == 0) return;
  const auto inputs = static_cast<std::size_t>(weights.inputs());
  const auto outputs = static_cast<std::size_t>(weights.outputs());
  const std::int32_t panels = panels_of(weights.outputs());

  // Each part takes a run of panels, in a multiple of four, and all rows: the weights are read
  // once, whoever reads them.
  const auto work = static_cast<double>(inputs) * static_cast<double>(outputs) * rows;
  const int parts_wanted = work < 65'536.0 ? 1 : team.size();
  const std::int32_t groups = (panels + 3) / 4;
  const int parts = std::min<std::int32_t>(parts_wanted, groups);
  const auto part_of = [&](int part) {
    const std::int32_t begin =
        static_cast<std::int32_t>(static_cast<std::int64_t>(groups) * part / parts) * 4;
    const std::int32_t end = std::min(
        panels,
        static_cast<std::int32_t>(static_cast<std::int64_t>(groups) * (part + 1) / parts) * 4);
    const std::int32_t column = begin * kColumns;
    detail::Product product;
    product.x = x;
    product.x_stride = inputs;
    product.rows = rows;
    product.weights = weights.data() + static_cast<std::size_t>(column) * inputs;
    product.panel_stride = inputs * kColumns;
    product.inputs = weights.inputs();
    product.columns = std::min(end * kColumns, weights.outputs()) - column;
    product.bias = bias.empty() ? nullptr : bias.data() + column;
    product.y = y + column;
    product.y_stride = outputs;
    detail::kernels().multiply(product);
  };
  if (parts == 1) {
    part_of(0);
  } else {
    team.run(parts, part_of);
  }
}

}  // namespace rookery::engine
