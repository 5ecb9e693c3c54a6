// Letters of ASCII alone: what the protocols compare without case, in any locale.
#pragma once

namespace fallow::net {

inline char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace fallow::net
