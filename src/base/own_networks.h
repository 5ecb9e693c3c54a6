// Whether an address is this machine's own, or of a network that one of its links stands in.
//
// A pure question to the system; any thread.
#pragma once

#include <string_view>

namespace fallow {

// Of an address as getaddrinfo() writes it. True when the system cannot be asked, and for what is
// no address: who asks wants to keep away.
bool is_of_own_network(std::string_view address);

}  // namespace fallow
