#pragma once

#include <vector>

namespace rookery::launch {

/// The value below which `share` in [0, 1] (0.5 = median) of `values` lie: one of them, by nearest
/// rank; 0 for none.
double percentile(std::vector<double> values, double share);

/// The middle of `values`, or the mean of the two in the middle; 0 for none.
double median(std::vector<double> values);

}  // namespace rookery::launch
