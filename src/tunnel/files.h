// Files and folders over a stream of a tunnel: an entry for each, and the bytes of files behind it.
//
// Nothing here follows a link: what is sent is what lies below the opened file or folder, what is
// received lands below the opened parent, whatever the other side names. One thread; blocks for the
// local disk only.
#pragma once

#include <dirent.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tunnel/endpoint.h"
#include "tunnel/request.h"

namespace fallow::tunnel {

inline constexpr std::size_t kDepthMax = 64;
inline constexpr std::size_t kPathBytesMax = 4096;

// True for "a/b": relative, without empty parts, "." and "..", and not too long.
bool is_plain_path(std::string_view path);
// Opens what lies at the plain path below the folder (empty: the folder itself), following no
// links. -1 with errno.
int open_below(int folder, std::string_view path, int flags);

// What is found at a path of a request is called: its last part, or "files" for a whole folder of
// the sandbox (".", /work, /out).
std::string name_of(std::string_view path);

// Where what was asked for by the path `asked` lands on the machine of who asked, as `to` says: in
// the folder `to` if that is there, else beside it under its name. Never under a name of the
// sender's choosing, which may be a stranger's.
struct Landing {
  std::string folder;
  std::string name;  // plain, or such as FileReceiver refuses
};
Landing landing_of(std::string_view asked, const std::string& to);

class FileSender {
 public:
  // `root` is an open file or folder. `skipped` hears of what is left out, in sentences.
  FileSender(SharedDescriptor root, std::string name,
             std::function<void(const std::string&)> skipped);
  ~FileSender();

  enum class Step : std::uint8_t { kMore, kDone, kFailed };
  // Sends as much as the stream has room for.
  Step step(Mux& mux, std::uint32_t stream);
  const std::string& failure() const { return failure_; }
  std::uint64_t bytes_sent() const { return bytes_sent_; }

 private:
  struct Folder {
    DIR* entries = nullptr;
    std::string path;
  };
  bool begin(Mux& mux, std::uint32_t stream, int fd, const std::string& path);
  bool next(Mux& mux, std::uint32_t stream);
  Step fail(std::string_view doing, std::string_view path);
  void skip(const std::string& path, std::string_view why);

  SharedDescriptor root_;  // until it is begun
  const std::string name_;
  const std::function<void(const std::string&)> skipped_;
  std::vector<Folder> folders_;  // at most kDepthMax
  SharedDescriptor file_;        // being sent
  std::string file_path_;
  std::uint64_t file_left_ = 0;
  std::vector<char> buffer_;
  std::uint64_t bytes_sent_ = 0;
  std::string failure_;
};

class FileReceiver {
 public:
  // The first entry becomes `name` in the folder `parent`; an empty name: as the sender calls it,
  // who then must be the one whose folder it is. Permissions are the sender's less the umask's.
  FileReceiver(SharedDescriptor parent, std::string name);
  // Removes a file that did not become whole.
  ~FileReceiver();

  // False: it could not be written, or the sender broke the rules; failure() says why.
  bool entry(const EntryNote& entry);
  bool data(std::string_view bytes);
  // Nothing more comes.
  bool finish();
  const std::string& failure() const { return failure_; }
  std::uint64_t bytes_received() const { return bytes_received_; }

 private:
  bool fail(std::string_view doing, std::string_view path);
  bool refuse(std::string why);
  bool close_file();

  const SharedDescriptor parent_;
  std::string name_;
  SharedDescriptor root_;    // the folder that the first entry became
  SharedDescriptor folder_;  // in which the file lies
  SharedDescriptor file_;
  std::string file_name_;
  std::string part_name_;  // until it is whole
  std::uint64_t file_left_ = 0;
  std::uint64_t bytes_received_ = 0;
  std::uint64_t files_received_ = 0;
  std::string failure_;
};

}  // namespace fallow::tunnel
