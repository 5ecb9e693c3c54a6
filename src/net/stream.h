// Stream: one TCP connection, plain or TLS, with a deadline on everything that waits.
//
// Owner: shared by the coroutine that serves the connection and whoever may cancel() it. It lives
// on one executor; everything but cancel() is called on that executor's thread. One coroutine may
// read while another writes. After a read that timed out the connection can still be used; after a
// write that failed in any way it can only be ended. An idle Stream holds no buffers of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "base/result.h"
#include "base/types.h"
#include "net/deadline.h"
#include "net/task.h"

struct sockaddr;

namespace fallow::net {

class TlsServer;
class TlsClient;

// The least progress a peer must make. A connection that falls below either limit is cut off, so
// that a peer that trickles bytes cannot hold it for ever.
struct Pace {
  Duration stall_max = seconds(30);          // without a single byte
  Duration grace = seconds(10);              // before the average counts
  std::uint64_t bytes_per_second_min = 512;  // average over the transfer, after the grace
};

class Stream : public std::enable_shared_from_this<Stream> {
 public:
  // Takes the connected, non-blocking socket `fd` and sets TCP_NODELAY. `peer` is for messages.
  static std::shared_ptr<Stream> adopt(const Executor& executor, int fd, std::string peer);
  // kUnreachable (refused, no route, timed out) names the peer.
  static Task<Result<std::shared_ptr<Stream>>> connect(const sockaddr* address,
                                                       std::size_t address_bytes, std::string peer,
                                                       Duration timeout);
  // Closes the socket. Operations that still wait are destroyed with their coroutines.
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // TLS from here on. kDenied when the server's certificate is not the pinned or not a valid one.
  Task<Status> handshake(const TlsServer& tls, Duration timeout);
  Task<Status> handshake(const TlsClient& tls, std::string host, Duration timeout);

  // Waits for bytes and returns at least one, as a view into a buffer of this thread that every
  // Stream of the thread borrows: use it up before the next co_await. kClosed at the end, kFailed
  // when the connection was cut, kTimedOut.
  Task<Result<std::string_view>> read_chunk(Deadline deadline);
  // The same without waiting: empty when there is nothing yet.
  Result<std::string_view> read_available();

  // Writes everything, or fails. The bytes must live until then. One writer at a time.
  Task<Status> write_all(std::string_view bytes);

  // Tells the peer that nothing more will be written (close_notify, FIN).
  Task<void> shutdown_write();

  // Calls `ready` once when there is something to read or the peer is gone. Replaces an earlier
  // one; nullptr forgets it.
  void on_readable(std::function<void()> ready);

  // Ends the connection: everything that waits answers kClosed. Any thread.
  void cancel();

  void set_pace(Pace pace) { pace_ = pace; }
  const Pace& pace() const { return pace_; }
  const Executor& executor() const { return executor_; }
  // "192.0.2.1:443"
  const std::string& peer_address() const { return peer_; }
  bool is_tls() const { return ssl_ != nullptr; }
  // SHA-256 of the peer's certificate; nothing without TLS or when it sent none.
  std::optional<Digest> peer_certificate_digest() const;
  bool is_cancelled() const { return cancelled_; }

 private:
  struct Reactor;
  struct SslDeleter {
    void operator()(void* ssl) const;
  };
  enum class Outcome { kDone, kWantRead, kWantWrite, kClosed, kCut };
  struct Io {
    Outcome outcome;
    std::size_t byte_count = 0;
  };

  Stream(const Executor& executor, int fd, std::string peer);
  Io read_now(std::span<char> buffer);
  Io write_now(std::string_view bytes);
  Io ssl_outcome(int returned, int saved_errno);
  Task<Status> handshake_loop(Duration timeout);
  // Waits until the socket is ready for what the outcome wants.
  Task<Status> wait(Outcome want, Deadline deadline, bool writer);
  Status failure(Outcome outcome) const;
  void arm_timer(Deadline earliest);
  void timer_fired();
  void cancel_here();

  Executor executor_;
  std::unique_ptr<Reactor> reactor_;
  std::unique_ptr<void, SslDeleter> ssl_;
  std::string peer_;
  Pace pace_;
  int fd_;
  Deadline read_deadline_ = kNoDeadline;
  Deadline write_deadline_ = kNoDeadline;
  Deadline timer_at_ = kNoDeadline;
  std::function<void()> ready_;
  bool watching_ = false;
  bool writing_ = false;
  bool cancelled_ = false;
  unsigned turns_ = 0;  // operations since the last wait, so that a fast peer cannot starve others
};

}  // namespace fallow::net
