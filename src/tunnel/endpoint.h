// Endpoint: a Mux over a connected descriptor, and the descriptors between which its streams carry
// bytes: the loop of both ends of a tunnel.
//
// Owned by one thread, which calls turn() until that answers false. Callbacks come from within
// turn() and may call everything but turn(). Nothing is read from a source for which its stream has
// no room, so what is held is what Mux holds and what sinks have not taken: at most a window each.
#pragma once

#include <poll.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tunnel/mux.h"

namespace fallow::tunnel {

// Closes the descriptor with its last owner: a terminal's or socket's is source and sink at once.
class Descriptor {
 public:
  explicit Descriptor(int fd, bool owned = true) : fd_(fd), owned_(owned) {}
  ~Descriptor();
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  const int fd_;
  const bool owned_;
};
using SharedDescriptor = std::shared_ptr<Descriptor>;
SharedDescriptor own(int fd);     // closed with its last owner, and made non-blocking
SharedDescriptor borrow(int fd);  // the program's own: stays open, and as it is

// The reason of a reset by which a socket's closing is passed on: nothing went wrong.
inline constexpr std::string_view kClosedReason = "the connection at the other end was closed";

// What becomes of a sink when the other side's end of the stream has come and all is written.
enum class AtEnd : std::uint8_t {
  kClose,     // a pipe; what cannot be written any more is thrown away
  kShutdown,  // a socket: the reading half stays; a failing write resets the stream
  kTypeEnd,   // a terminal: the end-of-file character, twice behind an unfinished line
};

class Endpoint {
 public:
  // Takes the connected, stream-like `carrier`.
  Endpoint(int carrier, Side side);

  Mux& mux() { return mux_; }
  // Told of all events but data that has a sink or a taker. Once, before the first turn().
  void on_event(std::function<void(const MuxEvent&)> tell) { tell_ = std::move(tell); }

  // The descriptor's bytes go onto the channel. At their end `at_end` is called; without one, the
  // stream is ended.
  void add_source(std::uint32_t stream, std::uint8_t channel, SharedDescriptor from,
                  std::function<void()> at_end = {});
  // What its sources hold now is read; what is still written to them is not waited for.
  void finish_sources(std::uint32_t stream);
  // The channel's data goes to the descriptor, also what came before this call.
  // `at_deaf`, with errno: it can be written no more, and what still comes is thrown away.
  void add_sink(std::uint32_t stream, std::uint8_t channel, SharedDescriptor to, AtEnd at_end,
                std::function<void(int)> at_deaf = {});
  // The stream's data, piece by piece, each consumed when the call returns.
  void add_taker(std::uint32_t stream, std::function<void(std::string_view)> take);
  // The same for who keeps it for a while: to be consumed() once it is used up.
  void add_keeper(std::uint32_t stream,
                  std::function<void(std::uint8_t channel, std::string_view)> keep);
  // Called whenever the stream has room, until it answers false or the stream is over.
  void add_producer(std::uint32_t stream, std::function<bool()> produce);
  // Calls `ready` when poll(2) reports one of `events`, until it answers false.
  void watch(SharedDescriptor fd, short events, std::function<bool()> ready);
  // The same, asking anew before each wait what for.
  void watch(SharedDescriptor fd, std::function<short()> events, std::function<bool()> ready);

  // Waits, at most `timeout_ms` (-1: as long as it takes), and does what there is to do. False:
  // the tunnel is over, and end() says why.
  bool turn(int timeout_ms = -1);
  // Empty: the connection was closed without a word.
  const std::string& end() const { return end_; }
  // When the tunnel or the streams are over: writes what sinks still hold, as long as that takes or
  // until `is_enough`, which is asked after each call of a watch.
  void drain(const std::function<bool()>& is_enough = {});
  // Sends what is queued, waiting at most `timeout_ms`: before a farewell.
  void flush(int timeout_ms);

 private:
  struct Source {
    std::uint32_t stream = 0;
    std::uint8_t channel = 0;
    SharedDescriptor from;
    std::function<void()> at_end;
    bool is_last = false;
    std::size_t left = 0;  // to be read of the last
    bool over = false;
  };
  struct Sink {
    std::uint32_t stream = 0;
    std::uint8_t channel = 0;
    SharedDescriptor to;
    AtEnd at_end = AtEnd::kClose;
    std::function<void(int)> at_deaf;
    std::string waiting;
    std::size_t written = 0;  // of `waiting`
    char last = '\n';         // written
    bool end_typed = false;   // what waits is no data any more
    bool ended = false;       // nothing more comes
    bool deaf = false;        // takes nothing any more
    bool over = false;
  };
  struct Producer {
    std::uint32_t stream = 0;
    std::function<bool()> produce;
    bool over = false;
  };
  struct Watch {
    SharedDescriptor fd;
    std::function<short()> events;
    std::function<bool()> ready;
    bool over = false;
  };

  bool read_carrier();
  bool write_carrier();
  void hear(MuxEvent& event);
  void hear_data(MuxEvent& event);
  void read_source(Source& source);
  void end_source(Source& source);
  void write_sink(Sink& sink);
  bool write_waiting(Sink& sink);
  void poll_watches(std::vector<pollfd>& polled, std::vector<Watch*>& watches);
  static void hear_watches(const pollfd* polled, const std::vector<Watch*>& watches);
  void drop_stream(std::uint32_t stream);
  void clear_away();
  Sink* sink_of(std::uint32_t stream, std::uint8_t channel);

  const SharedDescriptor carrier_;
  Mux mux_;
  std::function<void(const MuxEvent&)> tell_;
  // Lists, for callbacks add to them while they are gone through.
  std::list<Source> sources_;
  std::list<Sink> sinks_;
  std::list<Producer> producers_;
  std::list<Watch> watches_;
  std::map<std::uint32_t, std::function<void(std::uint8_t, std::string_view)>> keepers_;
  // Data of streams that nobody takes yet; at most a window each.
  struct Held {
    std::uint8_t channel = 0;
    std::string bytes;
  };
  std::map<std::uint32_t, std::vector<Held>> held_;
  std::map<std::uint32_t, bool> ended_early_;  // ended before there was a sink
  std::vector<MuxEvent> events_;
  std::string out_;  // taken from the Mux, not yet written
  std::size_t out_written_ = 0;
  std::vector<char> buffer_;
  std::string end_;
};

}  // namespace fallow::tunnel
