// Waits for SIGTERM or SIGINT. Made first in main, so that every thread inherits the blocked
// signals and they come here.
#pragma once

namespace fallow::bin {

class Shutdown {
 public:
  Shutdown();
  // Blocks until one of the signals came, or wake() was called.
  void wait();
  // Any thread.
  void wake();
};

}  // namespace fallow::bin
