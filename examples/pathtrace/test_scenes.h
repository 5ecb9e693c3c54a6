// Small models and folders for the tests.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace fallow::pathtrace {

// A folder of its own, gone at the end.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "pathtrace-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) ADD_FAILURE() << "no temporary folder";
    path_ = name;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path_); }

  std::string at(const std::string& name) const { return (path_ / name).string(); }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(at(name), std::ios::binary) << text;
    return at(name);
  }

 private:
  std::filesystem::path path_;
};

// A room with a lamp, a mirror, a glass and a glossy block: every branch of the kernel but the sky.
inline constexpr const char* kRoomMtl =
    "newmtl wall\nKd 0.7 0.7 0.7\n"
    "newmtl lamp\nKe 8 7 6\n"
    "newmtl mirror\nKd 0 0 0\nKs 0.9 0.9 0.9\nNs 100000\nillum 3\n"
    "newmtl brass\nKd 0 0 0\nKs 0.9 0.7 0.3\nNs 50\nillum 3\n"
    "newmtl glass\nNi 1.5\nd 0.1\nillum 7\n"
    "newmtl plastic\nKd 0.6 0.1 0.1\nKs 0.5 0.5 0.5\nNs 100\nillum 2\n";

inline std::string room_obj() {
  std::string obj = "mtllib room.mtl\n";
  int count = 0;
  const auto box = [&](const char* material, double x, double y, double z, double size) {
    for (int corner = 0; corner < 8; ++corner)
      obj += "v " + std::to_string(x + size * (corner & 1)) + " " +
             std::to_string(y + size * (corner >> 1 & 1)) + " " +
             std::to_string(z + size * (corner >> 2)) + "\n";
    obj += std::string("usemtl ") + material + "\n";
    for (const auto& f : {"1 2 4 3", "5 7 8 6", "1 5 6 2", "3 4 8 7", "1 3 7 5", "2 6 8 4"}) {
      obj += "f";
      for (const char* c = f; *c != '\0'; c += c[1] == '\0' ? 1 : 2)
        obj += " " + std::to_string(count + (*c - '0'));
      obj += "\n";
    }
    count += 8;
  };
  box("mirror", -1.8, 0, -1.6, 1.0);
  box("glass", 0.9, 0.01, 0.4, 0.8);
  box("plastic", -0.6, 0, 0.2, 0.7);
  box("brass", 0.4, 0, -1.5, 1.1);
  obj +=
      "v -2 0 -2\nv 2 0 -2\nv 2 0 2\nv -2 0 2\nv -2 3 -2\nv 2 3 -2\nv 2 3 2\nv -2 3 2\n"
      "v -.5 2.9 -.5\nv .5 2.9 -.5\nv .5 2.9 .5\nv -.5 2.9 .5\n"
      "usemtl wall\nf -12 -9 -10 -11\nf -12 -11 -7 -8\nf -12 -8 -5 -9\nf -11 -10 -6 -7\n"
      "f -8 -7 -6 -5\nusemtl lamp\nf -4 -3 -2 -1\n";
  return obj;
}

}  // namespace fallow::pathtrace
