// What commands and events name: the node, order and lease that each is about, by the schema's own
// field names, so that one that is added to the schema is found like the others.
//
// Pure functions, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "fallow/v1/commands.pb.h"
#include "fallow/v1/events.pb.h"

namespace fallow::server {

// 0: it names none. Of a meter record the lease is the record's.
struct NamedIds {
  std::uint64_t node = 0;
  std::uint64_t order = 0;
  std::uint64_t lease = 0;
};
NamedIds named_ids(const v1::Command& command);
NamedIds named_ids(const v1::Event& event);

// "stop_lease", as Command's fields are named; of a number that this program does not know, or of
// 0: "unknown".
std::string command_kind_name(int kind);
// The number of Command's or Event's field of that name; none: there is no such kind.
std::optional<int> command_kind_number(std::string_view name);
std::optional<int> event_kind_number(std::string_view name);

}  // namespace fallow::server
