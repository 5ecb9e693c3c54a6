#include "cli/secret_sources.h"

#include <algorithm>
#include <cstdlib>

#include "base/file.h"
#include "cli/parser.h"

namespace fallow::cli {
namespace {

constexpr std::string_view kVariable = "env:";
constexpr std::string_view kFile = "file:";
// All of them together, sealed, are at most 64 KiB.
constexpr std::size_t kSecretBytesMax = 32 << 10;
constexpr std::size_t kAllSecretsBytesMax = 60 << 10;

// A line end at the end of a file is its editor's.
Result<std::string> read_source(std::string_view what, std::string_view source) {
  std::string value;
  if (source.starts_with(kVariable)) {
    const std::string variable(source.substr(kVariable.size()));
    const char* set = std::getenv(variable.c_str());
    if (set == nullptr) {
      return fail(ErrorCode::kInvalid,
                  "{} is read from the environment variable {}, which is not set", what, variable);
    }
    value = set;
  } else {
    const std::string path(source.substr(kFile.size()));
    auto text = read_file(path, kSecretBytesMax);
    if (!text)
      return fail(ErrorCode::kInvalid, "{} cannot be read: {}", what, text.error().message);
    value = std::move(*text);
    if (value.ends_with('\n')) value.pop_back();
    if (value.ends_with('\r')) value.pop_back();
  }
  if (value.size() > kSecretBytesMax || value.find('\0') != std::string::npos) {
    return fail(ErrorCode::kInvalid, "{} is a text of at most {} bytes without zero bytes", what,
                kSecretBytesMax);
  }
  return value;
}

}  // namespace

bool is_secret_source(std::string_view text) {
  return (text.starts_with(kVariable) && text.size() > kVariable.size()) ||
         (text.starts_with(kFile) && text.size() > kFile.size());
}

void add_secret_options(Parser& command, SecretSources& sources) {
  command.add_option(
      "--secret", sources.secrets,
      "NAME, NAME=env:VARIABLE or NAME=file:PATH: an environment variable whose value "
      "only the task's node learns; may be repeated");
  command.add_option("--image-user", sources.image_user,
                     "log in to the image's registry as this user");
  command
      .add_option("--image-password", sources.image_password,
                  "where the password for it is: env:VARIABLE or file:PATH")
      ->capture_default_str();
}

Result<v1::LeaseSecrets> read_secret_sources(const SecretSources& sources) {
  v1::LeaseSecrets values;
  for (const std::string& text : sources.secrets) {
    const std::size_t equals = text.find('=');
    const std::string name = text.substr(0, equals);
    const std::string source =
        equals == std::string::npos ? std::string(kVariable) + name : text.substr(equals + 1);
    // It may be the value that stands there.
    if (name.empty() || !is_secret_source(source)) {
      return fail(ErrorCode::kInvalid,
                  "--secret takes NAME, NAME=env:VARIABLE or NAME=file:PATH: where a value is read "
                  "from, never the value itself");
    }
    v1::EnvironmentVariable& variable = *values.add_environment();
    variable.set_name(name);
    FALLOW_ASSIGN(*variable.mutable_value(), read_source("the secret " + name, source));
  }
  if (!sources.image_user.empty()) {
    if (!is_secret_source(sources.image_password)) {
      return fail(ErrorCode::kInvalid,
                  "--image-password takes env:VARIABLE or file:PATH: where the password is read "
                  "from, never the password itself");
    }
    values.set_image_user(sources.image_user);
    FALLOW_ASSIGN(*values.mutable_image_password(),
                  read_source("the password of the image's registry", sources.image_password));
  }
  if (values.ByteSizeLong() > kAllSecretsBytesMax) {
    return fail(ErrorCode::kInvalid, "the secrets of a job have at most {} KiB together",
                kAllSecretsBytesMax >> 10);
  }
  return values;
}

}  // namespace fallow::cli
