// A command that a renter runs in a running sandbox, with pipes or with a terminal.
//
// Owned by the process that serves the tunnel; one thread.
#pragma once

#include <sys/types.h>

#include <string>

#include "tunnel/endpoint.h"
#include "tunnel/request.h"

namespace fallow::init {

class Command {
 public:
  // Forks it and joins its descriptors to the stream. False: failure says why.
  bool start(tunnel::Endpoint& endpoint, std::uint32_t stream, const tunnel::ExecRequest& request,
             std::string& failure);

  pid_t pid() const { return pid_; }
  std::uint32_t stream() const { return stream_; }
  void resize(const tunnel::WindowSize& size) const;
  // To its whole group.
  void signal(int number) const;
  // It has ended with this status of wait(2): the rest of its output goes out, and then its code.
  void ended(tunnel::Endpoint& endpoint, int status);
  // Nobody is interested any more.
  void hang_up() const;

 private:
  void source_ended(tunnel::Endpoint& endpoint);
  void say_end(tunnel::Endpoint& endpoint) const;

  std::uint32_t stream_ = 0;
  pid_t pid_ = -1;
  tunnel::SharedDescriptor terminal_;  // null: pipes
  int sources_open_ = 0;
  bool is_over_ = false;
  std::uint32_t code_ = 0;
};

}  // namespace fallow::init
