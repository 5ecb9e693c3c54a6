// DesktopSigns: whether a desktop of this machine says that it is in use.
//
// X11 and Wayland tell nobody outside the session when a key was last pressed; what a system
// service can read is what desktops tell systemd's logind: that they are idle (IdleHint; GNOME
// does, not all do) or locked (LockedHint). Asked over D-Bus with libsystemd's sd-bus. One thread;
// a look waits for an answer up to a second.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

struct sd_bus;

namespace fallow::agent {

// A session as logind has it.
struct DesktopSession {
  std::string id;
  std::string of_class;  // "user", "greeter", ...
  std::string type;      // "x11", "wayland", "tty", ...
  std::string state;     // "active", "online", "closing"
  bool idle = false;     // it says so, or it is locked
};

// "a desktop is in use", or nothing. Screens to log in at are nobody's, and terminals have
// a sign of their own.
std::optional<std::string> desktop_sign(const std::vector<DesktopSession>& sessions);

class DesktopSigns {
 public:
  // Over a connection that is open: tests bring their own.
  explicit DesktopSigns(sd_bus* bus);
  ~DesktopSigns();
  DesktopSigns(const DesktopSigns&) = delete;
  DesktopSigns& operator=(const DesktopSigns&) = delete;
  // kUnreachable: there is no system bus here; kTimedOut: it does not answer within a second.
  static Result<std::unique_ptr<DesktopSigns>> open();

  // kNotFound: nobody answers as logind. Anything else: asking again may help.
  Result<std::vector<DesktopSession>> sessions();

 private:
  sd_bus* const bus_;
};

}  // namespace fallow::agent
