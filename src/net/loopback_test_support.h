// What the socket tests of net share: a certificate, a server on a free port, a raw client.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "net/certificate.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "net/io_pool.h"
#include "net/tls.h"

namespace fallow::net {

inline const std::shared_ptr<const TlsServer>& test_tls_server() {
  static const std::shared_ptr<const TlsServer> tls = [] {
    const auto made = generate_self_signed({"localhost", "127.0.0.1"}, 1);
    return TlsServer::from_pem(made->certificate_pem, made->key_pem).value();
  }();
  return tls;
}

inline std::shared_ptr<const TlsClient> test_tls_client() {
  return TlsClient::pinned(test_tls_server()->fingerprint()).value();
}

// Names the cases of a test that runs without and with TLS.
inline std::string plain_or_tls(const testing::TestParamInfo<bool>& test) {
  return test.param ? "Tls" : "Plain";
}

// A server with two I/O threads; stops before its handler's captures go.
struct LoopbackServer {
  explicit LoopbackServer(HttpHandler handler, bool use_tls = false, HttpServerOptions options = {})
      : is_tls(use_tls), pool(2) {
    if (use_tls) options.tls = test_tls_server();
    server = HttpServer::start(pool, std::move(options), std::move(handler)).value();
  }

  Url url() const {
    Url url;
    url.is_tls = is_tls;
    url.host = "127.0.0.1";
    url.port = server->port();
    return url;
  }
  HttpClientOptions client_options() const {
    HttpClientOptions options;
    options.url = url();
    if (is_tls) options.tls = test_tls_client();
    return options;
  }

  bool is_tls;
  IoPool pool;
  std::unique_ptr<HttpServer> server;
};

// A plain socket that says exactly what a test wants to be said.
class RawClient {
 public:
  explicit RawClient(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    timeval timeout{};
    timeout.tv_sec = 20;
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
    EXPECT_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  ~RawClient() { close(); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  // False when the server no longer takes bytes.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t put = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (put <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(put));
    }
    return true;
  }
  // Everything until the server closes; a reset also ends it.
  std::string read_all() {
    std::string all;
    while (read_some(all)) {
    }
    return all;
  }
  // Until `marker` was seen `count` times or the server closed.
  std::string read_until(std::string_view marker, int count = 1) {
    std::string all;
    for (;;) {
      int seen = 0;
      for (std::size_t at = all.find(marker); at != std::string::npos;
           at = all.find(marker, at + 1)) {
        ++seen;
      }
      if (seen >= count || !read_some(all)) return all;
    }
  }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  bool read_some(std::string& all) {
    char buffer[16 * 1024];
    const ssize_t got = ::recv(fd_, buffer, sizeof buffer, 0);
    if (got <= 0) return false;
    all.append(buffer, static_cast<std::size_t>(got));
    return true;
  }
  int fd_;
};

// Waits until the condition holds, at most ten seconds.
template <class Condition>
bool eventually(Condition condition) {
  for (int i = 0; i < 1000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return condition();
}

}  // namespace fallow::net
