#include "runtime/image_tools.h"

#include <sodium.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>

#include "agent/program.h"
#include "base/file.h"
#include "base/json_text.h"
#include "runtime/core_dumps.h"

namespace fallow::runtime {
namespace {

constexpr Duration kVersionMax = seconds(20);
constexpr Duration kManifestMax = minutes(1);
constexpr Duration kCopyMax = minutes(60);
constexpr Duration kUnpackMax = minutes(60);
constexpr std::size_t kManifestBytesMax = std::size_t{8} << 20;
constexpr std::size_t kToolAnswerBytesMax = 64 << 10;
constexpr std::size_t kSentenceBytesMax = 300;
constexpr std::string_view kInput = "/input";
constexpr std::string_view kLogin = "/login.json";

bool says(std::string_view text, std::string_view words) {
  return std::search(text.begin(), text.end(), words.begin(), words.end(), [](char a, char b) {
           return (a >= 'A' && a <= 'Z' ? static_cast<char>(a + 32) : a) == b;
         }) != text.end();
}

// msg="...": what follows, up to its end, without the escapes.
std::string last_sentence(std::string_view err) {
  while (err.ends_with('\n')) err.remove_suffix(1);
  const std::size_t line = err.rfind('\n');
  if (line != std::string_view::npos) err.remove_prefix(line + 1);
  constexpr std::string_view kKey = "msg=\"";
  const std::size_t at = err.find(kKey);
  if (at != std::string_view::npos) {
    err.remove_prefix(at + kKey.size());
    if (err.ends_with('"')) err.remove_suffix(1);
  }
  std::string sentence;
  for (std::size_t i = 0; i < err.size() && sentence.size() < kSentenceBytesMax; ++i) {
    if (err[i] == '\\' && i + 1 < err.size()) ++i;
    if (static_cast<unsigned char>(err[i]) < 0x80 && err[i] >= ' ' && err[i] != 0x7F) {
      sentence += err[i];
    }
  }
  const std::size_t begin = sentence.find_first_not_of(' ');
  return begin == std::string::npos ? "no reason was given" : sentence.substr(begin);
}

// The registry's login as the file that skopeo reads: in memory, with no name.
Result<Fd> login_file(const std::string& registry, const agent::RegistryLogin& login) {
  const std::string plain = login.user + ":" + login.password;
  std::string coded(sodium_base64_ENCODED_LEN(plain.size(), sodium_base64_VARIANT_ORIGINAL), '\0');
  sodium_bin2base64(coded.data(), coded.size(),
                    reinterpret_cast<const unsigned char*>(plain.data()), plain.size(),
                    sodium_base64_VARIANT_ORIGINAL);
  coded.resize(coded.find('\0'));
  JsonText json;
  json.open_object().key("auths").open_object().key(registry).open_object();
  json.key("auth").value(coded).close_object().close_object().close_object();
  return memory_file("login", json.text());
}

bool is_of_registry(const ImageTools::Source& source) {
  return source.name.kind == ImageKind::kRegistry;
}

// An archive of the input has no network between: what cannot be read of it is its own fault.
Error blame_source(bool is_remote, Error error) {
  if (!is_remote && error.code == ErrorCode::kUnreachable) error.code = ErrorCode::kInvalid;
  return error;
}

}  // namespace

struct ImageTools::Sandboxed {
  std::vector<std::string> words;
  Duration limit;
  std::size_t bytes_max = kToolAnswerBytesMax;
  bool network = false;
  std::string input;  // shown as /input; empty: none
  std::string var;    // below the work folder: for large temporary files; empty: none
  const Fd* login = nullptr;
  const GoOn& go_on;
};

Result<std::string> ImageTools::run(const Sandboxed& what) const {
  std::vector<std::string> words = {paths_.prlimit,
                                    "--core=" + std::to_string(kCoreBytesMax),
                                    "--fsize=" + std::to_string(file_bytes_max_),
                                    paths_.bwrap,
                                    "--unshare-all",
                                    "--die-with-parent",
                                    "--uid",
                                    "0",
                                    "--gid",
                                    "0",
                                    "--cap-drop",
                                    "ALL",
                                    "--clearenv",
                                    "--setenv",
                                    "PATH",
                                    "/usr/bin:/bin",
                                    "--setenv",
                                    "HOME",
                                    "/tmp",
                                    "--ro-bind",
                                    "/usr",
                                    "/usr"};
  const auto append = [&words](std::initializer_list<std::string_view> more) {
    for (const std::string_view word : more) words.emplace_back(word);
  };
  for (const std::string_view path : {"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"}) {
    std::array<char, 256> link{};
    const ssize_t size = ::readlink(std::string(path).c_str(), link.data(), link.size());
    if (size > 0) {
      append({"--symlink", std::string_view(link.data(), static_cast<std::size_t>(size)), path});
    } else {
      append({"--ro-bind-try", path, path});
    }
  }
  append({"--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"});
  if (what.network) {
    append({"--share-net"});
    for (const std::string_view path :
         {"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/ssl",
          "/etc/ca-certificates", "/etc/pki", "/etc/containers/registries.conf",
          "/etc/containers/registries.conf.d", "/etc/containers/certs.d", "/etc/docker/certs.d"}) {
      append({"--ro-bind-try", path, path});
    }
  }
  append({"--bind", work_folder_, "/pull"});
  if (!what.input.empty()) append({"--ro-bind", what.input, kInput});
  if (!what.var.empty()) append({"--bind", work_folder_ + "/" + what.var, "/var/tmp"});
  if (what.login != nullptr) append({"--perms", "0600", "--ro-bind-data", "3", kLogin});
  append({"--"});
  words.insert(words.end(), what.words.begin(), what.words.end());

  agent::ProgramRun run;
  run.limit = what.limit;
  run.bytes_max = what.bytes_max;
  run.given = what.login;
  run.go_on = what.go_on;
  FALLOW_ASSIGN(auto answer, agent::run_program(std::move(words), run));
  if (answer.exit_code != 0) return tl::unexpected(image_error(answer.err));
  return std::move(answer.out);
}

std::string ImageTools::why_not() const {
  for (const auto& [path, package] :
       {std::pair<const std::string&, const char*>{paths_.bwrap, "bubblewrap"},
        {paths_.prlimit, "util-linux"},
        {paths_.skopeo, "skopeo"},
        {paths_.umoci, "umoci"}}) {
    if (::access(path.c_str(), X_OK) != 0) {
      return path +
             " is not installed: apt-get install skopeo umoci bubblewrap (missing: " + package +
             ")";
    }
  }
  const GoOn always;
  for (const std::string& tool : {paths_.skopeo, paths_.umoci}) {
    const auto answer = run(
        {{tool, "--version"}, kVersionMax, kToolAnswerBytesMax, false, "", "", nullptr, always});
    if (!answer) return tool + " does not run in a bubblewrap sandbox: " + answer.error().message;
  }
  return "";
}

Result<std::string> ImageTools::manifest(const Source& source, const std::string& digest,
                                         const std::string& place, const GoOn& go_on) const {
  Fd login;
  if (!source.wish.login.empty()) {
    FALLOW_ASSIGN(login, login_file(source.name.registry, source.wish.login));
  }
  const bool is_remote = is_of_registry(source);
  std::vector<std::string> words = {paths_.skopeo, "--insecure-policy", "inspect", "--raw"};
  if (is_remote && source.plain_http) words.emplace_back("--tls-verify=false");
  if (login) {
    words.insert(words.end(), {"--authfile", std::string(kLogin)});
  } else if (is_remote) {
    words.emplace_back("--no-creds");
  }
  words.push_back(skopeo_source(source.name, kInput, digest));
  auto answer = run({words, kManifestMax, kManifestBytesMax, is_remote,
                     is_remote ? "" : source.wish.input_folder, place + "/var",
                     login ? &login : nullptr, go_on});
  if (!answer) return tl::unexpected(blame_source(is_remote, answer.error()));
  return answer;
}

Status ImageTools::copy(const Source& source, const std::string& digest, const std::string& place,
                        const GoOn& go_on) const {
  Fd login;
  if (!source.wish.login.empty()) {
    FALLOW_ASSIGN(login, login_file(source.name.registry, source.wish.login));
  }
  const bool is_remote = is_of_registry(source);
  std::vector<std::string> words = {paths_.skopeo,
                                    "--insecure-policy",
                                    "copy",
                                    "--quiet",
                                    "--dest-shared-blob-dir",
                                    "/pull/blobs",
                                    "--dest-oci-accept-uncompressed-layers"};
  if (is_remote && source.plain_http) words.emplace_back("--src-tls-verify=false");
  if (login) {
    words.insert(words.end(), {"--src-authfile", std::string(kLogin)});
  } else if (is_remote) {
    words.emplace_back("--src-no-creds");
  }
  words.push_back(skopeo_source(source.name, kInput, digest));
  words.push_back("oci:/pull/" + place + "/layout:image");
  const auto done = run({words, kCopyMax, kToolAnswerBytesMax, is_remote,
                         is_remote ? "" : source.wish.input_folder, place + "/var",
                         login ? &login : nullptr, go_on});
  if (!done) return tl::unexpected(blame_source(is_remote, done.error()));
  return {};
}

Status ImageTools::unpack(const std::string& place, const GoOn& go_on) const {
  const std::string at = "/pull/" + place;
  const auto done = run({{paths_.umoci, "raw", "unpack", "--rootless", "--image",
                          at + "/layout:image", at + "/rootfs"},
                         kUnpackMax,
                         kToolAnswerBytesMax,
                         false,
                         "",
                         "",
                         nullptr,
                         go_on});
  if (done) return {};
  const Error& error = done.error();
  if (error.code == ErrorCode::kTimedOut || error.code == ErrorCode::kFailed) {
    return tl::unexpected(error);
  }
  // No network is asked here: what does not unpack is at fault itself.
  return fail(ErrorCode::kInvalid, "{}", error.message);
}

Error image_error(std::string_view err) {
  const std::string sentence = last_sentence(err);
  const auto any = [&err](std::initializer_list<std::string_view> words) {
    return std::any_of(words.begin(), words.end(),
                       [err](std::string_view one) { return says(err, one); });
  };
  ErrorCode code = ErrorCode::kUnreachable;
  if (any({"no space left on device", "disk quota exceeded", "read-only file system",
           "cannot allocate memory", "bwrap: "})) {
    code = ErrorCode::kFailed;
  } else if (any({"toomanyrequests", "too many requests", "rate limit", "connection refused",
                  "connection reset", "broken pipe", "i/o timeout", "no such host",
                  "unexpected eof", "tls: ", "x509: "})) {
    code = ErrorCode::kUnreachable;
  } else if (any({"unauthorized", "authentication required", "access to the resource is denied",
                  "invalid username/password", "requested access", "403 (forbidden)",
                  "401 (unauthorized)", ": denied", "no basic auth credentials"})) {
    code = ErrorCode::kDenied;
  } else if (any({"manifest unknown", "name unknown", "not known to registry", "name invalid",
                  "404 (not found)", "no such file or directory", "no image found", "not found in",
                  "no descriptor found", "unknown image"})) {
    code = ErrorCode::kNotFound;
  } else if (any({"did not match", "does not match", "digest mismatch", "invalid checksum",
                  "unexpected end of json", "unsupported", "invalid character",
                  "gzip:", "archive/tar", "unpack"})) {
    code = ErrorCode::kInvalid;
  }
  return {code, sentence};
}

}  // namespace fallow::runtime
