#include "agent/owner_logind.h"

#include <systemd/sd-bus.h>

#include <chrono>
#include <cstdlib>
#include <cstring>

namespace fallow::agent {
namespace {

constexpr const char* kService = "org.freedesktop.login1";
constexpr const char* kManagerPath = "/org/freedesktop/login1";
constexpr const char* kManager = "org.freedesktop.login1.Manager";
constexpr const char* kSession = "org.freedesktop.login1.Session";
constexpr std::uint64_t kAnswerUsMax = 1'000'000;
constexpr std::size_t kSessionsMax = 256;

// Of one call.
struct BusAnswer {
  sd_bus_error error{};  // SD_BUS_ERROR_NULL, which is C
  sd_bus_message* message = nullptr;
  BusAnswer() = default;
  BusAnswer(const BusAnswer&) = delete;
  BusAnswer& operator=(const BusAnswer&) = delete;
  ~BusAnswer() {
    sd_bus_error_free(&error);
    sd_bus_message_unref(message);
  }
};

std::string text_of_session(sd_bus* bus, const std::string& path, const char* property) {
  BusAnswer answer;
  char* text = nullptr;
  if (sd_bus_get_property_string(bus, kService, path.c_str(), kSession, property, &answer.error,
                                 &text) < 0) {
    return "";
  }
  std::string copy(text);
  std::free(text);  // NOLINT(cppcoreguidelines-no-malloc): sd-bus gave it so
  return copy;
}

bool is_said(sd_bus* bus, const char* path, const char* property) {
  BusAnswer answer;
  int said = 0;
  return sd_bus_get_property_trivial(bus, kService, path, kSession, property, &answer.error, 'b',
                                     &said) >= 0 &&
         said != 0;
}

// The bus's answer to who we are, for which every call would wait a minute and a half.
Status wait_ready(sd_bus* bus) {
  using Clock = std::chrono::steady_clock;
  const auto until = Clock::now() + std::chrono::microseconds(kAnswerUsMax);
  int done = 0;
  while (done >= 0 && sd_bus_is_ready(bus) <= 0) {
    done = sd_bus_process(bus, nullptr);
    if (done != 0) continue;
    const auto left = std::chrono::duration_cast<std::chrono::microseconds>(until - Clock::now());
    if (left.count() <= 0) return fail(ErrorCode::kTimedOut, "the system bus does not answer");
    done = sd_bus_wait(bus, static_cast<std::uint64_t>(left.count()));
  }
  if (done >= 0) return {};
  return fail(ErrorCode::kUnreachable, "the system bus breaks off: {}", std::strerror(-done));
}

}  // namespace

std::optional<std::string> desktop_sign(const std::vector<DesktopSession>& sessions) {
  for (const DesktopSession& one : sessions) {
    const bool is_desktop = one.type == "x11" || one.type == "wayland" || one.type == "mir";
    if (is_desktop && one.of_class == "user" && one.state != "closing" && !one.idle) {
      return "a desktop is in use";
    }
  }
  return std::nullopt;
}

DesktopSigns::DesktopSigns(sd_bus* bus) : bus_(sd_bus_ref(bus)) {
  sd_bus_set_method_call_timeout(bus_, kAnswerUsMax);
}

DesktopSigns::~DesktopSigns() { sd_bus_close_unref(bus_); }

Result<std::unique_ptr<DesktopSigns>> DesktopSigns::open() {
  sd_bus* bus = nullptr;
  const int done = sd_bus_open_system(&bus);
  if (done < 0) {
    return fail(ErrorCode::kUnreachable, "there is no system bus here: {}", std::strerror(-done));
  }
  if (const auto ready = wait_ready(bus); !ready) {
    sd_bus_close_unref(bus);
    return tl::unexpected(ready.error());
  }
  auto signs = std::make_unique<DesktopSigns>(bus);
  sd_bus_unref(bus);
  return signs;
}

Result<std::vector<DesktopSession>> DesktopSigns::sessions() {
  BusAnswer answer;
  const int done = sd_bus_call_method(bus_, kService, kManagerPath, kManager, "ListSessions",
                                      &answer.error, &answer.message, "");
  if (done < 0) {
    const bool nobody = sd_bus_error_has_name(&answer.error, SD_BUS_ERROR_SERVICE_UNKNOWN) != 0 ||
                        sd_bus_error_has_name(&answer.error, SD_BUS_ERROR_NAME_HAS_NO_OWNER) != 0 ||
                        sd_bus_error_has_name(&answer.error, SD_BUS_ERROR_UNKNOWN_OBJECT) != 0;
    return fail(nobody ? ErrorCode::kNotFound : ErrorCode::kFailed, "logind does not answer: {}",
                answer.error.message == nullptr ? std::strerror(-done) : answer.error.message);
  }
  std::vector<DesktopSession> sessions;
  if (sd_bus_message_enter_container(answer.message, SD_BUS_TYPE_ARRAY, "(susso)") < 0) {
    return fail(ErrorCode::kFailed, "logind's list of sessions is none");
  }
  while (sessions.size() < kSessionsMax) {
    const char* id = nullptr;
    const char* user = nullptr;
    const char* seat = nullptr;
    const char* path = nullptr;
    std::uint32_t uid = 0;
    if (sd_bus_message_read(answer.message, "(susso)", &id, &uid, &user, &seat, &path) <= 0) break;
    DesktopSession session{id, "", "", "", false};
    session.of_class = text_of_session(bus_, path, "Class");
    session.type = text_of_session(bus_, path, "Type");
    session.state = text_of_session(bus_, path, "State");
    // One that does not say is in use: the owner wins.
    session.idle = is_said(bus_, path, "IdleHint") || is_said(bus_, path, "LockedHint");
    sessions.push_back(std::move(session));
  }
  return sessions;
}

}  // namespace fallow::agent
