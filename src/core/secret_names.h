// What an order may say of its secrets: their names, never a value. Pure functions.
#pragma once

#include <cstddef>
#include <optional>

#include "core/refusal.h"
#include "fallow/v1/types.pb.h"

namespace fallow::core {

constexpr std::size_t kSecretsMax = 64;

// Names are those of environment variables that the workload does not set itself; a login is that
// of an image's registry.
std::optional<Refusal> check_secrets(const v1::Workload& workload);

}  // namespace fallow::core
