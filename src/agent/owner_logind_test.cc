#include "agent/owner_logind.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <systemd/sd-bus.h>

#include <array>
#include <atomic>
#include <thread>

namespace fallow::agent {
namespace {

// logind's part of a conversation over a pair of sockets: one greeter, one desktop, one terminal.
class FakeLogind {
 public:
  FakeLogind() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    server_ = std::thread([this, fd = ends[0]] { serve(fd); });
    sd_bus_new(&client_);
    sd_bus_set_fd(client_, ends[1], ends[1]);
    EXPECT_GE(sd_bus_start(client_), 0);
  }
  ~FakeLogind() {
    stop_ = true;
    server_.join();
    sd_bus_unref(client_);
  }
  sd_bus* client() { return client_; }
  std::atomic<int> idle = 0;
  std::atomic<int> locked = 0;

 private:
  struct Session {
    const char* of_class;
    const char* type;
    FakeLogind* logind;
  };

  static int list(sd_bus_message* call, void* /*data*/, sd_bus_error* /*error*/) {
    sd_bus_message* reply = nullptr;
    sd_bus_message_new_method_return(call, &reply);
    sd_bus_message_open_container(reply, 'a', "(susso)");
    for (const char* id : {"c1", "2", "7"}) {
      const std::string path = "/org/freedesktop/login1/session/_" + std::string(id);
      sd_bus_message_append(reply, "(susso)", id, 1000U, "me", "seat0", path.c_str());
    }
    sd_bus_message_close_container(reply);
    const int sent = sd_bus_send(nullptr, reply, nullptr);
    sd_bus_message_unref(reply);
    return sent;
  }
  static int property(sd_bus* /*bus*/, const char* /*path*/, const char* /*interface*/,
                      const char* name, sd_bus_message* reply, void* data,
                      sd_bus_error* /*error*/) {
    const auto* session = static_cast<Session*>(data);
    const std::string_view wanted(name);
    if (wanted == "IdleHint")
      return sd_bus_message_append(reply, "b", session->logind->idle.load());
    if (wanted == "LockedHint") {
      return sd_bus_message_append(reply, "b", session->logind->locked.load());
    }
    return sd_bus_message_append(reply, "s",
                                 wanted == "Class"  ? session->of_class
                                 : wanted == "Type" ? session->type
                                                    : "active");
  }
  void serve(int fd) {
    const std::array<sd_bus_vtable, 3> manager{
        {SD_BUS_VTABLE_START(0),
         SD_BUS_METHOD("ListSessions", "", "a(susso)", list, SD_BUS_VTABLE_UNPRIVILEGED),
         SD_BUS_VTABLE_END}};
    const std::array<sd_bus_vtable, 7> session{
        {SD_BUS_VTABLE_START(0), SD_BUS_PROPERTY("Class", "s", property, 0, 0),
         SD_BUS_PROPERTY("Type", "s", property, 0, 0),
         SD_BUS_PROPERTY("State", "s", property, 0, 0),
         SD_BUS_PROPERTY("IdleHint", "b", property, 0, 0),
         SD_BUS_PROPERTY("LockedHint", "b", property, 0, 0), SD_BUS_VTABLE_END}};
    std::array<Session, 3> sessions{
        {{"greeter", "wayland", this}, {"user", "x11", this}, {"user", "tty", this}}};
    sd_bus* bus = nullptr;
    sd_bus_new(&bus);
    sd_bus_set_fd(bus, fd, fd);
    constexpr sd_id128_t kBusId{{1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 5, 6, 7}};
    sd_bus_set_server(bus, 1, kBusId);
    sd_bus_add_object_vtable(bus, nullptr, "/org/freedesktop/login1",
                             "org.freedesktop.login1.Manager", manager.data(), nullptr);
    const std::array<const char*, 3> paths{"/org/freedesktop/login1/session/_c1",
                                           "/org/freedesktop/login1/session/_2",
                                           "/org/freedesktop/login1/session/_7"};
    for (std::size_t i = 0; i < paths.size(); ++i) {
      sd_bus_add_object_vtable(bus, nullptr, paths[i], "org.freedesktop.login1.Session",
                               session.data(), &sessions[i]);
    }
    EXPECT_GE(sd_bus_start(bus), 0);
    while (!stop_) {
      if (sd_bus_process(bus, nullptr) > 0) continue;
      sd_bus_wait(bus, 20'000);
    }
    sd_bus_flush_close_unref(bus);
  }

  std::thread server_;
  std::atomic<bool> stop_ = false;
  sd_bus* client_ = nullptr;
};

TEST(DesktopSigns, OneDesktopInUseIsTheOwner) {
  FakeLogind logind;
  DesktopSigns signs(logind.client());
  auto sessions = signs.sessions();
  ASSERT_TRUE(sessions) << sessions.error().message;
  ASSERT_EQ(sessions->size(), 3U);
  EXPECT_EQ((*sessions)[0].of_class, "greeter");
  EXPECT_EQ(desktop_sign(*sessions), "a desktop is in use");
  logind.idle = 1;
  EXPECT_FALSE(desktop_sign(signs.sessions().value()));
  logind.idle = 0;
  EXPECT_TRUE(desktop_sign(signs.sessions().value()));
  logind.locked = 1;
  EXPECT_FALSE(desktop_sign(signs.sessions().value()));
}

TEST(DesktopSigns, ScreensToLogInAtAndTerminalsAreNot) {
  EXPECT_FALSE(desktop_sign({}));
  EXPECT_FALSE(desktop_sign({{"1", "greeter", "wayland", "active", false},
                             {"2", "user", "tty", "active", false},
                             {"3", "user", "x11", "closing", false},
                             {"4", "user", "wayland", "active", true}}));
  EXPECT_TRUE(desktop_sign({{"5", "user", "wayland", "online", false}}));
}

TEST(DesktopSigns, WhoDoesNotAnswerIsSaidToBe) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  sd_bus* bus = nullptr;
  sd_bus_new(&bus);
  sd_bus_set_fd(bus, ends[0], ends[0]);
  ASSERT_GE(sd_bus_start(bus), 0);
  ::shutdown(ends[1], SHUT_RDWR);
  DesktopSigns signs(bus);
  sd_bus_unref(bus);
  EXPECT_FALSE(signs.sessions());
  ::close(ends[1]);
}

}  // namespace
}  // namespace fallow::agent
