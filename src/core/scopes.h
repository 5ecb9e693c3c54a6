// Scopes as a set. Pure.
#pragma once

#include <optional>

#include "core/account.h"
#include "fallow/v1/commands.pb.h"

namespace fallow::core {

// The set that a command lists; none when it is empty or names an unknown scope.
inline std::optional<ScopeSet> scopes_of(const google::protobuf::RepeatedField<int>& listed) {
  ScopeSet scopes = 0;
  for (const int scope : listed) {
    if (scope == v1::SCOPE_UNSPECIFIED || !v1::Scope_IsValid(scope)) return std::nullopt;
    scopes |= ScopeSet{1} << static_cast<unsigned>(scope);
  }
  if (scopes == 0) return std::nullopt;
  return scopes;
}

}  // namespace fallow::core
