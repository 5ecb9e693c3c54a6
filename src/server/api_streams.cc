// The API's server-sent events: a handler's source, pumped to the client until either ends.
#include <algorithm>
#include <string>

#include "server/api.h"
#include "server/json.h"

namespace fallow::server {
namespace {

// How long a file that finds nothing looks whether somebody still waits for it.
constexpr Duration kLookAround = milliseconds(1);

}  // namespace

net::Task<void> Api::serve_stream(net::Exchange& exchange, const Route& route, Call& call,
                                  const google::protobuf::Message& request, Outcome& outcome) {
  const net::Notifier wake(exchange.executor());
  auto source = co_await handlers_.stream(route)(call, request, wake);
  if (!source) {
    co_await respond_problem(exchange, outcome, std::move(source).error());
    co_return;
  }
  if (!route.media_type.empty()) {
    co_await send_file(exchange, route, call, **source, wake, outcome);
    co_return;
  }
  outcome.status = 200;
  const Status begun = co_await exchange.start_sse();
  if (!begun) co_return;
  co_await pump(exchange, call, **source, wake);
}

net::Task<void> Api::send_file(net::Exchange& exchange, const Route& route, Call& call,
                               EventSource& source, const net::Notifier& wake, Outcome& outcome) {
  Answer<EventSource::Chunk> chunk = co_await source.next();
  if (!chunk) {
    co_await respond_problem(exchange, outcome, std::move(chunk).error());
    co_return;
  }
  outcome.status = 200;
  net::Headers headers = call.answer_headers();
  headers.set("Content-Type", route.media_type);
  headers.set("Cache-Control", "no-store");
  headers.set("X-Content-Type-Options", "nosniff");
  const Status begun = co_await exchange.start(200, std::move(headers), std::nullopt);
  if (!begun) co_return;
  for (;;) {
    for (const net::SseEvent& piece : chunk->events) {
      const Status written = co_await exchange.write(piece.data);
      if (!written) co_return;
    }
    if (chunk->is_last) break;
    // Who reads slowly reads for hours: his key is asked for as of any stream. What breaks off has
    // no end, so that nobody takes the part for the whole.
    const bool known = co_await still_known(exchange, call.caller());
    if (!known) co_return;
    // While nothing is found nothing is written, which would tell that nobody is there any more.
    if (chunk->events.empty()) {
      const net::Exchange::Wake woken = co_await exchange.wait(wake, kLookAround);
      if (woken == net::Exchange::Wake::kPeerGone || woken == net::Exchange::Wake::kStopping) {
        co_return;
      }
    }
    chunk = co_await source.next();
    if (!chunk) co_return;
  }
  co_await exchange.finish();
}

net::Task<void> Api::pump(net::Exchange& exchange, const Call& call, EventSource& source,
                          const net::Notifier& wake) {
  Time written_at = edges_.clock->monotonic();
  if (const std::string id = source.first_id(); !id.empty()) {
    const std::string begin = net::format_sse_id(id);
    const Status written = co_await exchange.write(begin);
    if (!written) co_return;
  }
  while (!exchange.is_stopping()) {
    const bool known = co_await still_known(exchange, call.caller());
    if (!known) break;
    Answer<EventSource::Chunk> chunk = co_await source.next();
    std::string bytes;
    if (!chunk) {
      bytes = net::format_sse({"error", write_problem(chunk.error()), {}});
    } else {
      for (const net::SseEvent& event : chunk->events) bytes += net::format_sse(event);
      if (chunk->is_last) bytes += net::format_sse({"end", "{}", {}});
    }
    const Time now = edges_.clock->monotonic();
    if (bytes.empty() && now - written_at >= limits_.heartbeat) bytes = net::kSseKeepAlive;
    if (!bytes.empty()) {
      const Status written = co_await exchange.write(bytes);
      if (!written) co_return;
      written_at = now;
    }
    if (!chunk || chunk->is_last) break;
    if (!chunk->events.empty()) continue;
    const Duration beat = limits_.heartbeat - (now - written_at);
    const net::Exchange::Wake woken =
        co_await exchange.wait(wake, std::min(source.poll_interval(), beat));
    if (woken == net::Exchange::Wake::kPeerGone) co_return;
  }
  co_await exchange.finish();
}

}  // namespace fallow::server
