#include "client/config.h"

#include <toml++/toml.h>

#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "base/file.h"

namespace fallow::client {
namespace {

constexpr std::size_t kConfigBytesMax = 64 * 1024;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

Status read_into(Config& config, const std::string& path, const std::string& text) {
  toml::table table;
  try {
    table = toml::parse(text);
  } catch (const toml::parse_error& error) {
    return fail(ErrorCode::kInvalid, "{}, line {}: {}; correct or delete the file", path,
                error.source().begin.line, error.description());
  }
  for (const auto& [key, value] : table) {
    const auto string = value.value<std::string>();
    if (key == "url" && string) {
      config.url = *string;
    } else if (key == "api_key" && string) {
      config.api_key = *string;
    } else if (key == "certificate" && string) {
      config.certificate = *string;
    } else if (key == "team" && string) {
      config.team = *string;
    } else {
      return fail(
          ErrorCode::kInvalid,
          "{}: '{}' is not a setting; known are url, api_key, certificate and team, each a string",
          path, std::string(key.str()));
    }
  }
  return {};
}

}  // namespace

std::string config_path() {
  std::string folder = environment("XDG_CONFIG_HOME");
  if (folder.empty()) folder = environment("HOME") + "/.config";
  return folder + "/fallow/config.toml";
}

Result<Config> load_config() {
  Config config;
  const std::string path = config_path();
  const auto text = read_file(path, kConfigBytesMax);
  if (text) {
    FALLOW_TRY(read_into(config, path, *text));
  } else if (text.error().code != ErrorCode::kNotFound) {
    return tl::unexpected(text.error());
  }
  for (const auto& [name, field] :
       {std::pair{"FALLOW_URL", &config.url}, std::pair{"FALLOW_API_KEY", &config.api_key},
        std::pair{"FALLOW_CERTIFICATE", &config.certificate},
        std::pair{"FALLOW_TEAM", &config.team}}) {
    if (std::string value = environment(name); !value.empty()) *field = std::move(value);
  }
  return config;
}

Status save_config(const Config& config) {
  const std::string path = config_path();
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), error);
  if (error) {
    return fail(ErrorCode::kFailed, "cannot make the folder of {}: {}", path, error.message());
  }
  toml::table table{{"url", config.url}, {"api_key", config.api_key}};
  if (!config.certificate.empty()) table.insert("certificate", config.certificate);
  if (!config.team.empty()) table.insert("team", config.team);
  std::ostringstream text;
  text << table << '\n';
  return replace_file(path, text.str(), 0600);
}

}  // namespace fallow::client
