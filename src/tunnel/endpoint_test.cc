#include "tunnel/endpoint.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <thread>

namespace fallow::tunnel {
namespace {

using Kind = MuxEvent::Kind;
using namespace std::chrono_literals;

std::array<int, 2> pair() {
  std::array<int, 2> ends{};
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  return ends;
}

// The sandbox's side on a thread of its own: each stream is an echo, or, when its request says
// "deaf", a sink that nobody reads.
class Echo {
 public:
  explicit Echo(int carrier) : endpoint_(carrier, Side::kSandbox) {
    endpoint_.on_event([this](const MuxEvent& event) {
      if (event.kind != Kind::kOpened) return;
      const auto ends = pair();
      endpoint_.add_sink(event.stream, 0, own(ends[0]), AtEnd::kShutdown);
      if (event.bytes == "deaf") {
        unread_.push_back(own(ends[1]));
        return;
      }
      endpoint_.add_source(event.stream, 0, own(ends[1]));
    });
    thread_ = std::thread([this] {
      while (endpoint_.turn()) {
      }
    });
  }
  ~Echo() { thread_.join(); }

 private:
  Endpoint endpoint_;
  std::vector<SharedDescriptor> unread_;
  std::thread thread_;
};

// Goes on until `done`, at most for 20 s.
template <class Done>
bool run(Endpoint& endpoint, Done done) {
  const auto until = std::chrono::steady_clock::now() + 20s;
  while (!done()) {
    if (std::chrono::steady_clock::now() > until || !endpoint.turn(100)) return done();
  }
  return true;
}

TEST(Endpoint, CarriesBulkThereAndBack) {
  const auto carrier = pair();
  const Echo echo(carrier[1]);
  Endpoint endpoint(carrier[0], Side::kRenter);
  const std::uint32_t stream = endpoint.mux().open("echo");
  constexpr std::size_t kBytes = std::size_t{20} << 20;
  std::size_t sent = 0;
  std::size_t got = 0;
  bool right = true;
  bool ended = false;
  endpoint.on_event([&](const MuxEvent& event) { ended |= event.kind == Kind::kEnded; });
  endpoint.add_producer(stream, [&] {
    while (sent < kBytes && endpoint.mux().room(stream) > 0) {
      std::string piece(std::min<std::size_t>(endpoint.mux().room(stream), kBytes - sent), '\0');
      for (std::size_t i = 0; i < piece.size(); ++i) piece[i] = static_cast<char>((sent + i) * 7);
      endpoint.mux().send(stream, 0, piece);
      sent += piece.size();
    }
    if (sent == kBytes) endpoint.mux().end(stream);
    return sent < kBytes;
  });
  endpoint.add_taker(stream, [&](std::string_view bytes) {
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      right &= bytes[i] == static_cast<char>((got + i) * 7);
    }
    got += bytes.size();
  });
  EXPECT_TRUE(run(endpoint, [&] { return ended; }));
  EXPECT_EQ(got, kBytes);
  EXPECT_TRUE(right);
}

TEST(Endpoint, AReaderThatSleepsHoldsUpItsOwnStreamOnly) {
  const auto carrier = pair();
  const Echo echo(carrier[1]);
  Endpoint endpoint(carrier[0], Side::kRenter);
  const std::uint32_t deaf = endpoint.mux().open("deaf");
  const std::uint32_t quick = endpoint.mux().open("echo");
  std::size_t stuffed = 0;
  std::size_t got = 0;
  const std::string piece(16 * 1024, 'x');
  endpoint.add_producer(deaf, [&] {
    while (endpoint.mux().room(deaf) >= piece.size()) {
      endpoint.mux().send(deaf, 0, piece);
      stuffed += piece.size();
    }
    return true;
  });
  endpoint.add_producer(quick, [&] {
    while (endpoint.mux().room(quick) >= piece.size()) endpoint.mux().send(quick, 0, piece);
    return true;
  });
  endpoint.add_taker(quick, [&](std::string_view bytes) { got += bytes.size(); });
  EXPECT_TRUE(run(endpoint, [&] { return got > (std::size_t{8} << 20); }));
  // A window, a send queue, and what a pair of sockets takes.
  EXPECT_LT(stuffed, kWindowBytes + kSendBytesMax + (std::size_t{2} << 20));
}

TEST(Endpoint, ASocketThatClosesIsPassedOnAndTheTunnelStays) {
  const auto carrier = pair();
  const Echo echo(carrier[1]);
  Endpoint endpoint(carrier[0], Side::kRenter);
  const auto local = pair();
  const std::uint32_t first = endpoint.mux().open("echo");
  bool first_over = false;
  std::string got;
  endpoint.on_event([&](const MuxEvent& event) {
    first_over |= event.stream == first && event.kind == Kind::kEnded;
  });
  endpoint.add_source(first, 0, own(local[0]));
  ASSERT_EQ(::write(local[1], "hello", 5), 5);
  ::shutdown(local[1], SHUT_WR);
  endpoint.add_taker(first, [&](std::string_view bytes) { got += bytes; });
  EXPECT_TRUE(run(endpoint, [&] { return first_over; }));
  EXPECT_EQ(got, "hello");
  ::close(local[1]);
  const std::uint32_t second = endpoint.mux().open("echo");
  std::string again;
  endpoint.add_taker(second, [&](std::string_view bytes) { again += bytes; });
  endpoint.mux().send(second, 0, "more");
  EXPECT_TRUE(run(endpoint, [&] { return again == "more"; }));
}

TEST(Endpoint, SaysWhyItEnded) {
  const auto carrier = pair();
  Mux other(Side::kSandbox);
  other.say_goodbye("the workload has ended");
  std::string bytes;
  other.take_output(bytes, 1);
  ASSERT_GT(::write(carrier[1], bytes.data(), bytes.size()), 0);
  Endpoint endpoint(carrier[0], Side::kRenter);
  while (endpoint.turn(1000)) {
  }
  EXPECT_EQ(endpoint.end(), "the workload has ended");
  ::close(carrier[1]);
}

TEST(Endpoint, DrainWritesWhatIsHeldToASlowReader) {
  const auto carrier = pair();
  const auto sink = pair();
  Endpoint endpoint(carrier[0], Side::kSandbox);
  Mux other(Side::kRenter);
  const std::uint32_t stream = other.open("r");
  endpoint.add_sink(stream, 0, own(sink[0]), AtEnd::kClose);
  std::size_t read_bytes = 0;
  std::atomic<bool> may_read = false;
  std::thread reader([&] {
    while (!may_read) std::this_thread::sleep_for(1ms);
    std::array<char, 4096> buffer{};
    for (ssize_t n = 0; (n = ::read(sink[1], buffer.data(), buffer.size())) > 0;) {
      read_bytes += static_cast<std::size_t>(n);
    }
  });
  std::size_t sent = 0;
  std::string out;
  while (sent < kWindowBytes) {
    const std::string piece(std::min<std::size_t>(other.room(stream), kWindowBytes - sent), 'x');
    other.send(stream, 0, piece);
    sent += piece.size();
    if (sent == kWindowBytes) other.end(stream);
    out.clear();
    other.take_output(out, std::size_t{1} << 20);
    for (std::string_view left = out; !left.empty();) {
      const ssize_t n = ::send(carrier[1], left.data(), left.size(), MSG_DONTWAIT);
      if (n > 0) left.remove_prefix(static_cast<std::size_t>(n));
      endpoint.turn(0);
    }
  }
  ::close(carrier[1]);
  while (endpoint.turn(100)) {
  }
  may_read = true;
  endpoint.drain();
  reader.join();
  EXPECT_EQ(read_bytes, std::size_t{kWindowBytes});
  ::close(sink[1]);
}

}  // namespace
}  // namespace fallow::tunnel
