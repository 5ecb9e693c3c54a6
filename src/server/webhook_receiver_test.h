// For tests only: a receiver of webhooks on the loopback that keeps what it was sent.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "net/http_server.h"

namespace fallow::server {

// Asks every few milliseconds; false when it is not so after a time that only what hangs takes.
template <class IsSo>
bool comes_true(const IsSo& is_so) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (!is_so()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

class Receiver {
 public:
  struct Sent {
    net::Headers headers;
    std::string body;

    std::string header(std::string_view name) const {
      const std::string* value = headers.find(name);
      return value == nullptr ? "" : *value;
    }
    // "type":"..." of the body.
    std::string kind() const {
      constexpr std::string_view kBegin = R"({"type":")";
      return body.substr(kBegin.size(), body.find('"', kBegin.size()) - kBegin.size());
    }
  };
  // `answer` answers; it is called after the request was kept.
  using AnswerTo = std::function<net::Task<void>(net::Exchange&)>;
  explicit Receiver(AnswerTo answer, std::uint16_t port = 0)
      : pool_(1), answer_(std::move(answer)) {
    net::HttpServerOptions options;
    options.port = port;
    server_ = net::HttpServer::start(pool_, std::move(options), [this](net::Exchange& exchange) {
                return serve(exchange);
              }).value();
  }
  explicit Receiver(int status, net::Headers headers = {}, std::uint16_t port = 0)
      : Receiver(
            [status, headers](net::Exchange& exchange) -> net::Task<void> {
              net::Response response{status, headers, "what stands inside"};
              co_await exchange.respond(std::move(response));
            },
            port) {}
  ~Receiver() { server_->stop(Duration()); }

  std::uint16_t port() const { return server_->port(); }
  std::string url(const std::string& host = "127.0.0.1") const {
    return fmt::format("http://{}:{}/in?a=1", host, port());
  }
  std::vector<Sent> sent() const {
    const std::lock_guard lock(mutex_);
    return sent_;
  }
  // Waits until so much was sent; what there is then. The last of it is not yet answered, and the
  // market sends it again if it is stopped now.
  std::vector<Sent> wait_for(std::size_t count) const {
    (void)comes_true([&] { return sent().size() >= count; });
    return sent();
  }

 private:
  net::Task<void> serve(net::Exchange& exchange) {
    auto body = co_await exchange.read_body(1 << 20);
    {
      const std::lock_guard lock(mutex_);
      sent_.push_back({exchange.request().headers, body.value_or("")});
    }
    co_await answer_(exchange);
  }

  net::IoPool pool_;
  const AnswerTo answer_;
  mutable std::mutex mutex_;
  std::vector<Sent> sent_;  // as many as a test sends
  std::unique_ptr<net::HttpServer> server_;
};

}  // namespace fallow::server
