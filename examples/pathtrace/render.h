// One task's work: its tile, launch by launch.
#pragma once

#include <cstdint>
#include <functional>

#include "base/result.h"
#include "pathtrace/tile.h"
#include "pathtrace/tracer.h"

namespace fallow::pathtrace {

// How much of the tile is done, and for how many paths that stands.
using Progress = std::function<void(std::uint64_t paths_done, std::uint64_t paths_total)>;

// Renders task's rows with `tracer`, calling `progress` after each launch. kInvalid when there are
// more tasks than rows or the task is none of them; what the tracer answers otherwise.
Result<Tile> render_tile(Tracer& tracer, const Scene& scene, const Frame& frame, std::uint32_t task,
                         std::uint32_t tasks, const Progress& progress);

// Renders a few pixels of the task's rows with both tracers; kFailed unless they agree to the bit.
// So a device whose compiler or arithmetic strays from the standard never writes a tile.
Status check_tracer(Tracer& tracer, Tracer& reference, const Frame& frame, std::uint32_t task,
                    std::uint32_t tasks);

}  // namespace fallow::pathtrace
