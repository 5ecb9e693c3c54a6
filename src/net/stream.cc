#include "net/stream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "net/await_tuple.h"
#include "net/socket_bio.h"
#include "net/tls.h"

namespace fallow::net {
namespace {

namespace asio = boost::asio;
using Descriptor = asio::posix::stream_descriptor;

constexpr std::size_t kBorrowedBytes = 64 * 1024;
constexpr unsigned kTurnsMax = 32;

// One buffer a thread, allocated by the first Stream that reads there.
std::span<char> borrowed_buffer() {
  thread_local const std::unique_ptr<char[]> buffer(new char[kBorrowedBytes]);
  return {buffer.get(), kBorrowedBytes};
}

SSL* native(void* ssl) { return static_cast<SSL*>(ssl); }

}  // namespace

struct Stream::Reactor {
  Reactor(const Executor& executor, int fd) : descriptor(executor, fd), timer(executor) {}
  Descriptor descriptor;
  asio::steady_timer timer;
};

void Stream::SslDeleter::operator()(void* ssl) const { SSL_free(native(ssl)); }

Stream::Stream(const Executor& executor, int fd, std::string peer)
    : executor_(executor),
      reactor_(std::make_unique<Reactor>(executor, fd)),
      peer_(std::move(peer)),
      fd_(fd) {}

Stream::~Stream() = default;

std::shared_ptr<Stream> Stream::adopt(const Executor& executor, int fd, std::string peer) {
  const int on = 1;
  // Best effort: a socket that is already reset refuses it, and its first read says so better.
  (void)::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return std::shared_ptr<Stream>(new Stream(executor, fd, std::move(peer)));
}

Task<Result<std::shared_ptr<Stream>>> Stream::connect(const sockaddr* address,
                                                      std::size_t address_bytes, std::string peer,
                                                      Duration timeout) {
  const Executor executor = co_await asio::this_coro::executor;
  const int fd =
      ::socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
  if (fd < 0) {
    co_return fail(ErrorCode::kUnreachable, "cannot open a socket for {}: {}", peer,
                   std::strerror(errno));
  }
  auto stream = adopt(executor, fd, std::move(peer));
  const Deadline deadline = deadline_after(timeout);
  // Asked again after each wake-up: a socket that is only beginning to connect may wake us early.
  while (::connect(fd, address, static_cast<socklen_t>(address_bytes)) != 0 && errno != EISCONN) {
    if (errno == EINTR) continue;
    if (errno != EINPROGRESS && errno != EALREADY) {
      co_return fail(ErrorCode::kUnreachable, "cannot connect to {}: {}", stream->peer_,
                     std::strerror(errno));
    }
    const Status ready = co_await stream->wait(Outcome::kWantWrite, deadline, true);
    if (!ready && ready.error().code == ErrorCode::kTimedOut) {
      co_return fail(ErrorCode::kUnreachable, "cannot connect to {}: it did not answer in time",
                     stream->peer_);
    }
    if (!ready)
      co_return fail(ErrorCode::kUnreachable, "cannot connect: {}", ready.error().message);
  }
  co_return stream;
}

Status Stream::failure(Outcome outcome) const {
  if (cancelled_) return fail(ErrorCode::kClosed, "the connection with {} was ended", peer_);
  if (outcome == Outcome::kClosed)
    return fail(ErrorCode::kClosed, "{} closed the connection", peer_);
  return fail(ErrorCode::kFailed, "the connection with {} was cut", peer_);
}

Stream::Io Stream::ssl_outcome(int returned, int saved_errno) {
  switch (SSL_get_error(native(ssl_.get()), returned)) {
    case SSL_ERROR_WANT_READ:
      return {Outcome::kWantRead};
    case SSL_ERROR_WANT_WRITE:
      return {Outcome::kWantWrite};
    case SSL_ERROR_ZERO_RETURN:
      return {Outcome::kClosed};
    default:
      errno = saved_errno;
      return {Outcome::kCut};
  }
}

Stream::Io Stream::read_now(std::span<char> buffer) {
  if (ssl_) {
    ERR_clear_error();
    std::size_t got = 0;
    const int returned = SSL_read_ex(native(ssl_.get()), buffer.data(), buffer.size(), &got);
    if (returned == 1) return {Outcome::kDone, got};
    return ssl_outcome(returned, errno);
  }
  for (;;) {
    const ssize_t got = ::recv(fd_, buffer.data(), buffer.size(), 0);
    if (got > 0) return {Outcome::kDone, static_cast<std::size_t>(got)};
    if (got == 0) return {Outcome::kClosed};
    if (errno == EINTR) continue;
    return {errno == EAGAIN || errno == EWOULDBLOCK ? Outcome::kWantRead : Outcome::kCut};
  }
}

Stream::Io Stream::write_now(std::string_view bytes) {
  if (ssl_) {
    ERR_clear_error();
    std::size_t put = 0;
    const int returned = SSL_write_ex(native(ssl_.get()), bytes.data(), bytes.size(), &put);
    if (returned == 1) return {Outcome::kDone, put};
    return ssl_outcome(returned, errno);
  }
  for (;;) {
    const ssize_t put = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (put >= 0) return {Outcome::kDone, static_cast<std::size_t>(put)};
    if (errno == EINTR) continue;
    return {errno == EAGAIN || errno == EWOULDBLOCK ? Outcome::kWantWrite : Outcome::kCut};
  }
}

Task<Status> Stream::wait(Outcome want, Deadline deadline, bool writer) {
  turns_ = 0;
  const auto kind = want == Outcome::kWantRead ? Descriptor::wait_read : Descriptor::wait_write;
  for (;;) {
    if (cancelled_) co_return failure(Outcome::kCut);
    (writer ? write_deadline_ : read_deadline_) = deadline;
    arm_timer(deadline);
    const auto [error] = co_await reactor_->descriptor.async_wait(kind, kAwaitTuple);
    (writer ? write_deadline_ : read_deadline_) = kNoDeadline;
    if (cancelled_) co_return failure(Outcome::kCut);
    if (!error) co_return Status();
    if (std::chrono::steady_clock::now() >= deadline) {
      co_return fail(ErrorCode::kTimedOut, "{} made no progress in time", peer_);
    }
    // The other direction's deadline wakes both; this one goes on.
    if (error != asio::error::operation_aborted) co_return failure(Outcome::kCut);
  }
}

void Stream::arm_timer(Deadline earliest) {
  // Deadlines mostly move later; the timer then stays where it is and looks again when it fires.
  if (earliest >= timer_at_) return;
  timer_at_ = earliest;
  reactor_->timer.expires_at(earliest);
  reactor_->timer.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    if (error) return;
    if (const auto stream = weak.lock()) stream->timer_fired();
  });
}

void Stream::timer_fired() {
  timer_at_ = kNoDeadline;
  const Deadline earliest = std::min(read_deadline_, write_deadline_);
  if (earliest > std::chrono::steady_clock::now()) {
    arm_timer(earliest);
    return;
  }
  boost::system::error_code ignored;
  reactor_->descriptor.cancel(ignored);
}

Task<Result<std::string_view>> Stream::read_chunk(Deadline deadline) {
  const auto self = shared_from_this();
  if (++turns_ > kTurnsMax) {
    turns_ = 0;
    co_await asio::post(asio::use_awaitable);
  }
  for (;;) {
    if (cancelled_) co_return tl::unexpected(failure(Outcome::kCut).error());
    const std::span<char> buffer = borrowed_buffer();
    const Io io = read_now(buffer);
    if (io.outcome == Outcome::kDone) co_return std::string_view(buffer.data(), io.byte_count);
    if (io.outcome == Outcome::kClosed || io.outcome == Outcome::kCut) {
      co_return tl::unexpected(failure(io.outcome).error());
    }
    FALLOW_CO_TRY(co_await wait(io.outcome, deadline, false));
  }
}

Result<std::string_view> Stream::read_available() {
  if (cancelled_) return tl::unexpected(failure(Outcome::kCut).error());
  const std::span<char> buffer = borrowed_buffer();
  const Io io = read_now(buffer);
  if (io.outcome == Outcome::kDone) return std::string_view(buffer.data(), io.byte_count);
  if (io.outcome == Outcome::kClosed || io.outcome == Outcome::kCut) {
    return tl::unexpected(failure(io.outcome).error());
  }
  return std::string_view();
}

Task<Status> Stream::write_all(std::string_view bytes) {
  const auto self = shared_from_this();
  FALLOW_CHECK(!writing_, "two coroutines write to one stream");
  writing_ = true;
  struct Release {
    bool& flag;
    ~Release() { flag = false; }
  } const release{writing_};
  const Deadline start = std::chrono::steady_clock::now();
  std::size_t written = 0;
  while (written < bytes.size()) {
    if (cancelled_) co_return failure(Outcome::kCut);
    if (++turns_ > kTurnsMax) {
      turns_ = 0;
      co_await asio::post(asio::use_awaitable);
    }
    const Io io = write_now(bytes.substr(written));
    if (io.outcome == Outcome::kDone) {
      written += io.byte_count;
      continue;
    }
    if (io.outcome == Outcome::kClosed || io.outcome == Outcome::kCut)
      co_return failure(io.outcome);
    const auto earned =
        std::chrono::microseconds(pace_.grace.value) +
        std::chrono::seconds(written / std::max<std::uint64_t>(pace_.bytes_per_second_min, 1));
    const Deadline deadline = std::min(deadline_after(pace_.stall_max), start + earned);
    FALLOW_CO_TRY(co_await wait(io.outcome, deadline, true));
  }
  co_return Status();
}

Task<Status> Stream::handshake_loop(Duration timeout) {
  const auto self = shared_from_this();
  const Deadline deadline = deadline_after(timeout);
  for (;;) {
    ERR_clear_error();
    const int returned = SSL_do_handshake(native(ssl_.get()));
    if (returned == 1) co_return Status();
    const Io io = ssl_outcome(returned, errno);
    if (io.outcome == Outcome::kClosed || io.outcome == Outcome::kCut) {
      const long verified = SSL_get_verify_result(native(ssl_.get()));
      if (verified != X509_V_OK) {
        co_return fail(ErrorCode::kDenied, "the certificate of {} is not trusted: {}", peer_,
                       X509_verify_cert_error_string(verified));
      }
      co_return fail(ErrorCode::kFailed, "the TLS handshake with {} failed: {}", peer_,
                     ERR_peek_error() != 0 ? openssl_error() : "the connection was cut");
    }
    const Status ready = co_await wait(io.outcome, deadline, false);
    if (!ready) co_return fail_with(ready.error(), "the TLS handshake with {} failed", peer_);
  }
}

Task<Status> Stream::handshake(const TlsServer& tls, Duration timeout) {
  ssl_.reset(make_socket_ssl(tls.native(), fd_));
  if (!ssl_) co_return fail(ErrorCode::kFailed, "cannot set up TLS: {}", openssl_error());
  SSL_set_accept_state(native(ssl_.get()));
  co_return co_await handshake_loop(timeout);
}

Task<Status> Stream::handshake(const TlsClient& tls, std::string host, Duration timeout) {
  ssl_.reset(make_socket_ssl(tls.native(), fd_));
  if (!ssl_) co_return fail(ErrorCode::kFailed, "cannot set up TLS: {}", openssl_error());
  SSL* ssl = native(ssl_.get());
  SSL_set_connect_state(ssl);
  const bool is_ip = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host.c_str()) == 1;
  if (!is_ip) {
    SSL_set_tlsext_host_name(ssl, host.c_str());
    SSL_set1_host(ssl, host.c_str());
  }
  FALLOW_CO_TRY(co_await handshake_loop(timeout));
  if (tls.pin()) {
    const std::optional<Digest> shown = peer_certificate_digest();
    if (!shown || *shown != *tls.pin()) {
      cancel_here();
      co_return fail(
          ErrorCode::kDenied,
          "the certificate of {} has the fingerprint {}, not the expected {}: either the "
          "server was set up anew and a new token is needed, or this is another server",
          peer_, shown ? to_hex(*shown) : "of no certificate", to_hex(*tls.pin()));
    }
  }
  co_return Status();
}

Task<void> Stream::shutdown_write() {
  const auto self = shared_from_this();
  if (cancelled_) co_return;
  if (ssl_ && SSL_is_init_finished(native(ssl_.get())) == 1) {
    ERR_clear_error();
    const int returned = SSL_shutdown(native(ssl_.get()));
    if (returned < 0 && ssl_outcome(returned, errno).outcome == Outcome::kWantWrite) {
      const Status ready =
          co_await wait(Outcome::kWantWrite, deadline_after(pace_.stall_max), true);
      if (!ready) co_return;
      ERR_clear_error();
      (void)SSL_shutdown(native(ssl_.get()));
    }
    ERR_clear_error();
  }
  (void)::shutdown(fd_, SHUT_WR);
}

void Stream::on_readable(std::function<void()> ready) {
  ready_ = std::move(ready);
  if (!ready_ || watching_ || cancelled_) return;
  watching_ = true;
  reactor_->descriptor.async_wait(Descriptor::wait_read,
                                  [weak = weak_from_this()](const boost::system::error_code&) {
                                    const auto stream = weak.lock();
                                    if (!stream) return;
                                    stream->watching_ = false;
                                    if (!stream->ready_) return;
                                    const auto call = std::exchange(stream->ready_, nullptr);
                                    call();
                                  });
}

void Stream::cancel() {
  asio::post(executor_, [weak = weak_from_this()] {
    if (const auto stream = weak.lock()) stream->cancel_here();
  });
}

void Stream::cancel_here() {
  if (cancelled_) return;
  cancelled_ = true;
  boost::system::error_code ignored;
  reactor_->descriptor.cancel(ignored);
  // The peer must learn of it now, not when the last owner lets go.
  (void)::shutdown(fd_, SHUT_RDWR);
}

std::optional<Digest> Stream::peer_certificate_digest() const {
  if (!ssl_) return std::nullopt;
  const X509* certificate = SSL_get0_peer_certificate(native(ssl_.get()));
  if (certificate == nullptr) return std::nullopt;
  Digest digest{};
  unsigned int size = 0;
  if (X509_digest(certificate, EVP_sha256(), digest.data(), &size) != 1) return std::nullopt;
  return digest;
}

}  // namespace fallow::net
