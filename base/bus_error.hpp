#pragma once

namespace rookery::base {

/// From now on a mapped file that shrinks or cannot be read (SIGBUS) ends the process with one line
/// on standard error, which names the file, and exit code 74, instead of a core dump. Any other
/// SIGBUS ends it as ever.
void explain_bus_errors();

}  // namespace rookery::base
