#include "client/tunnel_carry.h"

#include <utility>

#include "net/io_pool.h"
#include "net/stream.h"

namespace fallow::client {
namespace {

net::Task<void> carry_out(std::shared_ptr<net::Stream> local,
                          std::shared_ptr<net::WebSocket> socket, std::string farewell) {
  for (;;) {
    const auto chunk = co_await local->read_chunk(net::kNoDeadline);
    if (!chunk) break;
    if (socket->try_send(*chunk)) continue;
    // The chunk is the thread's, and waiting lets others use it.
    const std::string kept(*chunk);
    const Status sent = co_await socket->send(kept);
    if (!sent) break;
  }
  socket->close(net::CloseCode::kNormal, farewell);
}

}  // namespace

net::Task<Error> carry_tunnel(std::shared_ptr<net::WebSocket> socket, Fd local,
                              std::string farewell, std::function<void(const Error&)> tell) {
  const auto stream = net::Stream::adopt(socket->executor(), local.release(), "the tunnel's user");
  net::spawn(socket->executor(), carry_out(stream, socket, std::move(farewell)));
  Error why;
  for (;;) {
    auto message = co_await socket->receive();
    if (!message) {
      why = std::move(message.error());
      if (why.code == ErrorCode::kClosed && !socket->close_reason().empty()) {
        why.message = socket->close_reason();
      }
      break;
    }
    const Status written = co_await stream->write_all(message->data);
    if (!written) socket->close(net::CloseCode::kNormal, "the other end was closed");
  }
  if (tell) tell(why);
  stream->cancel();
  co_return why;
}

}  // namespace fallow::client
