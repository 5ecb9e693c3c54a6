// What every command works with: where the market is, how to print, what to run.
//
// Owner: run_program; one thread, but for cancel flags that say otherwise.
#pragma once

#include <google/protobuf/message.h>

#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/json_text.h"
#include "base/printable.h"  // of whatever a stranger chose, before it is printed
#include "client/api.h"
#include "client/config.h"

namespace fallow::cli {

struct Context {
  // Options that every command takes.
  bool json = false;
  std::string url;
  std::string api_key;
  std::string certificate;
  std::string team;

  bool terminal = false;  // stdout is one: progress and colour, else neither
  Random* random = nullptr;
  const Clock* clock = nullptr;
  std::vector<std::string> command;  // what stands behind `--`
  std::function<int()> run;          // set by the chosen command

  // The configuration with this command line's options on top.
  Result<client::Config> config() const;
  // A connection's worth of API, or prints why not and answers null.
  std::unique_ptr<client::Api> connect() const;
};

// Prints the error the way people and scripts expect (with --json: a problem document), and
// answers the exit code that belongs to it.
int report(const Context& context, const client::ApiError& error);
int report(const Context& context, const Error& error);

// JSON with the schema's own field names; one document a line.
void print_json(const google::protobuf::Message& message);
void print_json(const JsonText& document);

// A table with a head; columns are as wide as they must be, numbers to the right.
class Table {
 public:
  // A name that begins with '>' is aligned to the right.
  explicit Table(std::vector<std::string> head);
  void add(std::vector<std::string> row);
  // Prints it, or `nothing` when there is no row.
  void print(std::string_view nothing) const;

 private:
  std::vector<std::vector<std::string>> rows_;  // [0] is the head
  std::vector<bool> right_;
};

// "RTX_4090" stays; an enum's name in lower case: "on_demand".
std::string lower(std::string_view name);
std::string upper(std::string_view name);
// "12.5 s", "3 min", "2.0 h"
std::string span_text(double seconds);
}  // namespace fallow::cli
