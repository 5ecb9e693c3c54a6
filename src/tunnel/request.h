// What a stream of a tunnel is opened for, and the notes that go with its data.
//
// Values. Encoded as a letter and the fields: u32 little-endian, texts with their length as u32.
// decode_*: false unless the bytes are exactly one; they come from strangers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace fallow::tunnel {

struct WindowSize {
  std::uint32_t rows = 24;
  std::uint32_t columns = 80;
};

// Runs a command. Data to it is its input, data from it its output (kOut, kErr); at the end comes
// an Exit.
struct ExecRequest {
  std::vector<std::string> command;                              // empty: the login shell
  std::vector<std::pair<std::string, std::string>> environment;  // beside the workload's own
  bool has_terminal = false;
  WindowSize size;
};
inline constexpr std::uint8_t kOut = 0;
inline constexpr std::uint8_t kErr = 1;

// Connects to this port of the sandbox's own 127.0.0.1 (or ::1). Reset: it could not.
struct ForwardRequest {
  std::uint32_t port = 0;
};

// Sends a file, or a folder and all below it: for each an Entry, and the bytes of files as data.
struct ReadFilesRequest {
  std::string path;  // relative: below /work
};

// Takes entries in the same way; answers with an Exit when all is written.
struct WriteFilesRequest {
  std::string path;  // becomes the first entry; an existing folder: the entry goes into it
};

using Request = std::variant<ExecRequest, ForwardRequest, ReadFilesRequest, WriteFilesRequest>;

std::string encode_request(const Request& request);
bool decode_request(std::string_view bytes, Request& request);

// To the command: SIGTERM and its like, by number.
struct SignalNote {
  std::uint32_t number = 0;
};
// How it ended: the exit code, or 128 + N for signal N.
struct ExitNote {
  std::uint32_t code = 0;
  std::string reason;  // why it could not be done; empty: nothing to say
};
struct EntryNote {
  bool is_folder = false;
  std::uint32_t mode = 0;   // the permission bits
  std::uint64_t bytes = 0;  // of a file
  std::string path;         // its place below the first one, "a/b"; empty: the first one itself
  std::string name;         // of the first one
};
// Something was left out, in a sentence.
struct SkippedNote {
  std::string reason;
};

using Note = std::variant<WindowSize, SignalNote, ExitNote, EntryNote, SkippedNote>;

std::string encode_note(const Note& note);
bool decode_note(std::string_view bytes, Note& note);

}  // namespace fallow::tunnel
