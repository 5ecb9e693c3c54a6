// DeviceWatch: a thread that looks at the devices once a second while that is wanted, and for what
// is wrong with them.
//
// Owned by the agent's loop thread, which calls everything. Without a wish there is no thread and
// no driver is asked. One that hangs in a driver is waited for by nobody, also at the end.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/device_gauges.h"

namespace fallow::agent {

class DeviceWatch {
 public:
  static constexpr Duration kEvery = seconds(1);

  // `root` as in process_facts.h. `open`: on the thread, before the first look.
  explicit DeviceWatch(
      std::vector<LocalDevice> devices, std::string root = "",
      std::function<Nvml()> open = [] { return Nvml(); });
  ~DeviceWatch();
  DeviceWatch(const DeviceWatch&) = delete;
  DeviceWatch& operator=(const DeviceWatch&) = delete;

  // What was wrong before it was wanted does not count.
  void set_wanted(bool wanted);
  // One look at once: something has failed, perhaps by a device.
  void look();
  // That look is not done, or what it found is not taken yet.
  bool is_looking() const;

  // Readable when there are faults, or a look() is done.
  int event_fd() const;
  // Each fault once; of a device that is gone, once in every look.
  std::vector<DeviceFault> take_faults();
  // Of the last look, unless that is long ago.
  std::vector<v1::DeviceSample> latest() const;

 private:
  struct Impl;
  // The thread's, too: it may hang when this ends.
  const std::shared_ptr<Impl> impl_;
};

}  // namespace fallow::agent
