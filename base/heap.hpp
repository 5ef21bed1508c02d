#pragma once

namespace rookery::base {

/// Keeps memory that this process frees for its next allocations, instead of handing it back to
/// the system at once: for processes that allocate and free megabytes in every step, whose page
/// faults cost more than the work (a third of a training step; 44 % of a trainer's time in
/// retrievals of 40 vectors). Call it before other threads run.
void keep_freed_memory();

}  // namespace rookery::base
