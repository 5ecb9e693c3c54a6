// Carries a tunnel's bytes between a WebSocket and a local socket, until either ends. The bytes are
// not looked at. Private to client/.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/file.h"
#include "base/result.h"
#include "net/task.h"
#include "net/websocket.h"

namespace fallow::client {

// On the WebSocket's executor. Takes the connected, non-blocking socket. Answers why it ended; when
// the local side ended first, `farewell` is what the other side is told. `tell` hears the answer
// before the local socket is closed.
net::Task<Error> carry_tunnel(std::shared_ptr<net::WebSocket> socket, Fd local,
                              std::string farewell, std::function<void(const Error&)> tell);

}  // namespace fallow::client
