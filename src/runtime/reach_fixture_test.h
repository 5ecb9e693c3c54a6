// What the tests of reaching in share: a workload that waits, and a command beside it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/sandbox_test.h"
#include "tunnel/endpoint.h"
#include "tunnel/request.h"

namespace fallow::runtime {

using tunnel::MuxEvent;

struct Ran {
  std::optional<std::uint32_t> code;
  std::string out;
  std::string err;
  std::string refusal;  // of the stream, or why the tunnel ended
};

class ReachTest : public SandboxTest {
 protected:
  void start_sleeper(std::uint64_t lease = 7) {
    start(shell("echo up; sleep 300", lease));
    ASSERT_TRUE(next<Started>());
  }

  // A connection through the door; the supervisor may still be opening it.
  Fd enter(std::uint64_t lease = 7) {
    for (int tries = 0; tries < 200; ++tries) {
      auto connection = runtime_->enter(LeaseId(lease));
      if (connection) return std::move(*connection);
      ::usleep(10'000);
    }
    ADD_FAILURE() << "the door stays shut";
    return Fd();
  }

  Ran exec(std::vector<std::string> command, std::string_view input = {}, bool terminal = false) {
    tunnel::Endpoint endpoint(enter().release(), tunnel::Side::kRenter);
    tunnel::ExecRequest request;
    request.command = std::move(command);
    request.has_terminal = terminal;
    request.size = {33, 99};
    const std::uint32_t stream = endpoint.mux().open(tunnel::encode_request(request));
    Ran ran;
    bool over = false;
    endpoint.add_keeper(stream, [&](std::uint8_t channel, std::string_view bytes) {
      (channel == tunnel::kErr ? ran.err : ran.out) += bytes;
      endpoint.mux().consumed(stream, bytes.size());
    });
    endpoint.on_event([&](const MuxEvent& event) {
      tunnel::Note note;
      if (event.kind == MuxEvent::Kind::kNote && tunnel::decode_note(event.bytes, note)) {
        if (const auto* exit = std::get_if<tunnel::ExitNote>(&note)) ran.code = exit->code;
      }
      if (event.kind == MuxEvent::Kind::kReset) ran.refusal = event.bytes;
      over |= event.kind == MuxEvent::Kind::kReset || event.kind == MuxEvent::Kind::kEnded;
    });
    endpoint.add_producer(stream, [&] {
      const std::string_view piece = input.substr(0, endpoint.mux().room(stream));
      endpoint.mux().send(stream, 0, piece);
      input.remove_prefix(piece.size());
      if (input.empty() && !terminal) endpoint.mux().end(stream);
      return !input.empty();
    });
    const Time until = boot_time() + exec_max_;
    while (!over && boot_time() < until && endpoint.turn(1000)) {
    }
    if (!over) ran.refusal = endpoint.end().empty() ? "it ended without a word" : endpoint.end();
    return ran;
  }

  Duration exec_max_ = seconds(30);
};

}  // namespace fallow::runtime
