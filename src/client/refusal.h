// What the market says when it says no. Private to client/.
#pragma once

#include "client/api.h"
#include "net/http.h"

namespace fallow::client {

// The problem document of an answer that is no success, as kRefused.
ApiError refusal(const net::Response& response);

// The same of a problem that came inside a stream, and states its status itself.
ApiError stated_refusal(const std::string& problem);

}  // namespace fallow::client
