// Where the market is and who asks: flags before environment before the config file.
//
// A value. The file is ~/.config/fallow/config.toml (or $XDG_CONFIG_HOME/fallow/config.toml):
//
//     url = "https://market.example:8470"
//     api_key = "fk_..."
//     certificate = "sha256 in hex"     # pins the server; without it the system's CAs decide
//     team = "8192"                     # the account to act for; without it the key's own
#pragma once

#include <string>

#include "base/result.h"

namespace fallow::client {

struct Config {
  std::string url;          // "https://127.0.0.1:8470"
  std::string api_key;      // may be empty: only public calls work then
  std::string certificate;  // SHA-256 in hex, or empty
  std::string team;         // id of the account to act for as a member; empty: the key's own
};

// The path that is read and written.
std::string config_path();

// The file, then FALLOW_URL, FALLOW_API_KEY, FALLOW_CERTIFICATE, FALLOW_TEAM on top of it. A
// missing file is an empty one; a file that cannot be understood is kInvalid with its line.
Result<Config> load_config();

// Replaces the file (mode 0600), making its folder.
Status save_config(const Config& config);

}  // namespace fallow::client
