#include "tunnel/endpoint.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <malloc.h>
#include <pty.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
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

// A sink that is never empty holds what waits, not all that ever came.
TEST(Endpoint, ASlowReaderCostsNoMoreThanAWindow) {
  const auto carrier = pair();
  const auto sink = pair();
  const SharedDescriptor reader = own(sink[1]);
  const SharedDescriptor far = own(carrier[1]);
  Endpoint endpoint(carrier[0], Side::kSandbox);
  Mux other(Side::kRenter);
  const std::uint32_t stream = other.open("r");
  endpoint.add_sink(stream, 0, own(sink[0]), AtEnd::kClose);
  const auto held = [] {
    const auto info = ::mallinfo2();
    return info.uordblks + info.hblkhd;
  };
  const std::size_t before = held();
  constexpr std::size_t kBytes = std::size_t{64} << 20;
  std::size_t read_bytes = 0;
  std::string out;
  std::vector<char> buffer(32 * 1024);
  std::vector<MuxEvent> events;
  const auto until = std::chrono::steady_clock::now() + 60s;
  while (read_bytes < kBytes && std::chrono::steady_clock::now() < until) {
    other.send(stream, 0, std::string(other.room(stream), 'x'));
    if (out.size() < kSendBytesMax) other.take_output(out, kSendBytesMax);
    const ssize_t put = ::send(far->get(), out.data(), out.size(), MSG_NOSIGNAL);
    if (put > 0) out.erase(0, static_cast<std::size_t>(put));
    endpoint.turn(0);
    const ssize_t granted = ::read(far->get(), buffer.data(), buffer.size());
    if (granted > 0) other.receive({buffer.data(), static_cast<std::size_t>(granted)}, events);
    events.clear();
    const ssize_t got = ::read(reader->get(), buffer.data(), buffer.size());
    if (got > 0) read_bytes += static_cast<std::size_t>(got);
  }
  EXPECT_GE(read_bytes, kBytes);
  EXPECT_LT(held(), before + 6 * kWindowBytes);
}

// What a command has left behind may write for ever: its end does not wait for that.
TEST(Endpoint, SourcesFinishThoughSomebodyGoesOnWriting) {
  const auto carrier = pair();
  const Echo echo(carrier[1]);
  Endpoint endpoint(carrier[0], Side::kRenter);
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe2(pipe.data(), O_CLOEXEC | O_NONBLOCK), 0);
  const std::uint32_t stream = endpoint.mux().open("echo");
  bool at_end = false;
  std::size_t got = 0;
  endpoint.add_taker(stream, [&](std::string_view bytes) { got += bytes.size(); });
  endpoint.add_source(stream, 0, own(pipe[0]), [&] { at_end = true; });
  const std::string much(64 * 1024, 'y');
  const auto write_on = [&] {
    while (::write(pipe[1], much.data(), much.size()) > 0) {
    }
  };
  write_on();
  endpoint.finish_sources(stream);
  for (int turns = 0; turns < 2'000 && !at_end; ++turns) {
    endpoint.turn(10);
    if (!at_end) write_on();
  }
  EXPECT_TRUE(at_end);
  // And all that was there has come.
  EXPECT_TRUE(run(endpoint, [&] { return got >= 64 * 1024; }));
  EXPECT_EQ(got, 64U * 1024);
  ::close(pipe[1]);
}

// A terminal's reader sees the end behind an unfinished line and behind a finished one, once.
TEST(Endpoint, ATerminalIsToldTheEndBehindAnyLine) {
  for (const std::string_view typed : {"finished\n", "unfinished", ""}) {
    int master = -1;
    int slave = -1;
    ASSERT_EQ(::openpty(&master, &slave, nullptr, nullptr, nullptr), 0);
    termios quiet{};
    ::tcgetattr(slave, &quiet);
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ::tcsetattr(slave, TCSANOW, &quiet);
    ::fcntl(slave, F_SETFL, O_NONBLOCK);
    const auto carrier = pair();
    Endpoint endpoint(carrier[0], Side::kSandbox);
    Mux other(Side::kRenter);
    const std::uint32_t stream = other.open("r");
    const SharedDescriptor terminal = own(master);  // as long as its command runs
    endpoint.add_sink(stream, 0, terminal, AtEnd::kTypeEnd);
    other.send(stream, 0, typed);
    other.end(stream);
    std::string out;
    other.take_output(out, 1 << 16);
    ASSERT_EQ(::write(carrier[1], out.data(), out.size()), static_cast<ssize_t>(out.size()));
    std::string got;
    int ends = 0;
    for (int turns = 0; turns < 50; ++turns) {
      endpoint.turn(2);
      std::array<char, 256> buffer{};
      const ssize_t n = ::read(slave, buffer.data(), buffer.size());
      if (n > 0) got.append(buffer.data(), static_cast<std::size_t>(n));
      if (n == 0) ++ends;
    }
    EXPECT_EQ(got, typed);
    EXPECT_EQ(ends, 1) << typed;
    ::close(slave);
    ::close(carrier[1]);
  }
}

TEST(Endpoint, DrainEndsWhenItIsEnough) {
  const auto carrier = pair();
  const auto sink = pair();
  const SharedDescriptor unread = own(sink[1]);
  Endpoint endpoint(carrier[0], Side::kSandbox);
  Mux other(Side::kRenter);
  const std::uint32_t stream = other.open("r");
  endpoint.add_sink(stream, 0, own(sink[0]), AtEnd::kClose);
  const SharedDescriptor far = own(carrier[1]);
  for (int pieces = 0; pieces < 64; ++pieces) {
    other.send(stream, 0, std::string(other.room(stream), 'x'));
    std::string out;
    other.take_output(out, 1 << 20);
    for (std::string_view left = out; !left.empty(); endpoint.turn(0)) {
      const ssize_t n = ::send(far->get(), left.data(), left.size(), MSG_NOSIGNAL);
      if (n > 0) left.remove_prefix(static_cast<std::size_t>(n));
    }
  }
  std::array<int, 2> asked{};
  ASSERT_EQ(::pipe2(asked.data(), O_CLOEXEC), 0);
  bool is_enough = false;
  endpoint.watch(own(asked[0]), POLLIN, [&] {
    is_enough = true;
    return false;
  });
  ASSERT_EQ(::write(asked[1], "!", 1), 1);
  endpoint.drain([&] { return is_enough; });
  EXPECT_TRUE(is_enough);
  ::close(asked[1]);
}

TEST(Endpoint, ASinkThatNobodyReadsIsSaidToBeDeaf) {
  const auto carrier = pair();
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
  ::close(pipe[0]);
  ::signal(SIGPIPE, SIG_IGN);
  Endpoint endpoint(carrier[0], Side::kSandbox);
  Mux other(Side::kRenter);
  const std::uint32_t stream = other.open("r");
  int deaf = 0;
  endpoint.add_sink(stream, 0, borrow(pipe[1]), AtEnd::kClose, [&](int error) { deaf = error; });
  other.send(stream, 0, "x");
  std::string out;
  other.take_output(out, 1 << 16);
  ASSERT_EQ(::write(carrier[1], out.data(), out.size()), static_cast<ssize_t>(out.size()));
  EXPECT_TRUE(run(endpoint, [&] { return deaf != 0; }));
  EXPECT_EQ(deaf, EPIPE);
  ::close(pipe[1]);
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
