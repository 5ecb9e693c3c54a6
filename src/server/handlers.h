// The handler table: one rpc of the schema, one function.
//
// A handler is a coroutine on the request's I/O thread: it checks and converts the request, goes to
// the market once if it can, and gives out the response or a problem. Streams give out a source of
// events that the API pumps to the client.
#pragma once

#include <google/protobuf/message.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/sse.h"
#include "net/task.h"
#include "server/call.h"
#include "server/router.h"

namespace fallow::server {

// Events for one client that follows something. Owner: the API, for the life of the stream; one
// coroutine, one thread.
class EventSource {
 public:
  virtual ~EventSource() = default;

  struct Chunk {
    // About 64 KiB at most; empty: nothing new. Of a file: its next bytes, as data; empty and not
    // the last: more is to be read, and next() is called again at once.
    std::vector<net::SseEvent> events;
    bool is_last = false;
  };
  // What came since the last call.
  virtual net::Task<Answer<Chunk>> next() = 0;
  // Before the first event: the id with which a stream that breaks off there goes on, where it
  // would begin elsewhere without one. Empty: it would not.
  virtual std::string first_id() const { return {}; }
  // Longest sleep before next() is asked again although nothing was notified.
  virtual Duration poll_interval() const = 0;
};

// A source pokes `wake` when next() has something.
using OpenStream = net::Task<Answer<std::unique_ptr<EventSource>>>;

class Handlers {
 public:
  using Message = google::protobuf::Message;
  using Unary = std::function<net::Task<Answer<std::unique_ptr<Message>>>(Call&, const Message&)>;
  using Stream = std::function<OpenStream(Call&, const Message&, net::Notifier wake)>;

  // All handlers of all services. Every rpc has one, with its own types, or the process stops.
  explicit Handlers(const Router& router);

  // `rpc`: "Orders.GetOrder".
  template <class Request, class Response>
  void add(std::string_view rpc, net::Task<Answer<Response>> (*handler)(Call&, const Request&)) {
    check_types(rpc, *Request::descriptor(), *Response::descriptor(), false);
    unary_[number_of(rpc)] =
        [handler](Call& call,
                  const Message& request) -> net::Task<Answer<std::unique_ptr<Message>>> {
      Answer<Response> answer = co_await handler(call, static_cast<const Request&>(request));
      if (!answer) co_return tl::unexpected(std::move(answer).error());
      co_return std::unique_ptr<Message>(std::make_unique<Response>(std::move(*answer)));
    };
  }
  template <class Request, class Item>
  void add_stream(std::string_view rpc,
                  OpenStream (*handler)(Call&, const Request&, net::Notifier wake)) {
    check_types(rpc, *Request::descriptor(), *Item::descriptor(), true);
    streams_[number_of(rpc)] = [handler](Call& call, const Message& request, net::Notifier wake) {
      return handler(call, static_cast<const Request&>(request), std::move(wake));
    };
  }

  const Unary& unary(const Route& route) const { return unary_[route.number]; }
  const Stream& stream(const Route& route) const { return streams_[route.number]; }

 private:
  std::size_t number_of(std::string_view rpc) const;
  void check_types(std::string_view rpc, const google::protobuf::Descriptor& request,
                   const google::protobuf::Descriptor& response, bool is_stream) const;

  const Router& router_;
  std::vector<Unary> unary_;  // by Route::number
  std::vector<Stream> streams_;
};

// One file a service, or a part of one.
void add_market_handlers(Handlers& handlers);
void add_forecast_handlers(Handlers& handlers);
void add_order_handlers(Handlers& handlers);
void add_lease_handlers(Handlers& handlers);
void add_wallet_handlers(Handlers& handlers);
void add_node_handlers(Handlers& handlers);
void add_telemetry_handlers(Handlers& handlers);
void add_account_handlers(Handlers& handlers);
void add_session_handlers(Handlers& handlers);
void add_team_handlers(Handlers& handlers);
void add_webhook_handlers(Handlers& handlers);
void add_secret_handlers(Handlers& handlers);
void add_audit_handlers(Handlers& handlers);
void add_earnings_handlers(Handlers& handlers);

}  // namespace fallow::server
