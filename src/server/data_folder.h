// The server's data folder: where everything lies, and the secrets that are made at the first
// start. docs/operations.md tells operators the same.
//
//   log/  snapshots/            the market: what a backup must have
//   keys/market.key             signs receipts (Ed25519 seed, hex); never replaced
//   keys/server.key             secret of quotes and of idempotent answers (hex)
//   operator.key                the first API key: written once, to be moved to a safe place
//   tls/certificate.pem key.pem shown to agents and clients
//   sessions.db                 who is signed in to the console
//   keys.db                     when API keys were used last
//   webhooks.db                 how far each webhook has come in the log, and what was sent lately
//   history.db  telemetry.db  output/  artifacts/  access.log
//
// A value; one thread.
#pragma once

#include <string>
#include <vector>

#include "base/env.h"
#include "base/result.h"
#include "base/signing.h"
#include "net/certificate.h"

namespace fallow::server {

class DataFolder {
 public:
  // Makes the folder (readable by its owner only) when it is missing.
  static Result<DataFolder> open(const std::string& path);

  const std::string& path() const { return path_; }
  std::string log_folder() const { return path_ + "/log"; }
  std::string snapshots_folder() const { return path_ + "/snapshots"; }
  std::string history_file() const { return path_ + "/history.db"; }
  std::string telemetry_file() const { return path_ + "/telemetry.db"; }
  std::string output_folder() const { return path_ + "/output"; }
  std::string artifacts_folder() const { return path_ + "/artifacts"; }
  std::string access_log_file() const { return path_ + "/access.log"; }
  std::string sessions_file() const { return path_ + "/sessions.db"; }
  std::string key_uses_file() const { return path_ + "/keys.db"; }
  std::string webhooks_file() const { return path_ + "/webhooks.db"; }
  std::string operator_key_file() const { return path_ + "/operator.key"; }

  // The market's signing key. Made when missing for a new market; an older one without it does not
  // start, because receipts could no longer be verified.
  Result<SigningKey> market_key(Random& random, bool is_new) const;
  // 32 secret bytes, made when missing.
  Result<std::string> server_secret(Random& random) const;
  // The hash of the first operator key of a new market; its file is made when missing.
  Result<Digest> new_operator_key(Random& random) const;
  // Made for `hosts` when missing.
  Result<net::CertificateAndKey> certificate(const std::vector<std::string>& hosts) const;

 private:
  explicit DataFolder(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace fallow::server
