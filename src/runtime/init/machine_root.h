// What a virtual machine's process 1 makes before anything else runs: drivers, file systems,
// devices.
//
// Free functions, each called once by process 1 as root. They end the machine when they cannot do
// what they are for.
#pragma once

#include <string>
#include <string_view>

namespace fallow::init {

// Says on the console what cannot be done, with errno, and ends the machine.
[[noreturn]] void give_up(const std::string& doing);

// mount(2), or give_up().
void mount_at(const char* what, const std::string& at, const char* type, unsigned long flags,
              const std::string& options = {});
// A file of /proc or /sys; one that is not there is passed over.
void write_setting(const char* path, std::string_view text);

// The machine's own /dev, /proc and /sys; the console becomes the three standard descriptors.
void mount_own();
// Those of /modules, in the order of their names.
void load_modules();
// The workload's root below /root, with its private folders and devices; /proc is not yet there.
void mount_root(bool writable, const std::string& shared_memory_bytes);
void raise_loopback();

}  // namespace fallow::init
