// fallow completion: words for the shell, made from the same parser that reads them.
#include "cli/command.h"

namespace fallow::cli {
namespace {

// Every sub-command path with its sub-commands and long options, as "path: words".
void collect(const Parser& app, const std::string& path, std::vector<std::string>& lines) {
  std::string words;
  for (const auto& sub : app.subcommands()) words += ' ' + sub->name();
  for (const std::string& name : app.long_option_names()) words += " --" + name;
  lines.push_back(path + ":" + words);
  for (const auto& sub : app.subcommands()) collect(*sub, path + " " + sub->name(), lines);
}

int print_completion(const Parser& app, const std::string& shell) {
  std::vector<std::string> lines;
  collect(app, "fallow", lines);
  if (shell == "fish") {
    for (const std::string& line : lines) {
      const std::size_t colon = line.find(':');
      const std::string path = line.substr(0, colon);
      const std::string condition =
          path == "fallow" ? "__fish_use_subcommand"
                           : "__fish_seen_subcommand_from " + path.substr(path.rfind(' ') + 1);
      std::printf("complete -c fallow -n '%s' -f -a '%s'\n", condition.c_str(),
                  line.substr(colon + 1).c_str());
    }
    return kDone;
  }
  if (shell == "zsh") std::printf("autoload -U +X bashcompinit && bashcompinit\n");
  std::printf(
      "_fallow() {\n  local path=fallow word\n"
      "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
      "    [[ $word == -* ]] || case \" ${_fallow_paths} \" in *\" ${path// /_}_$word \"*) "
      "path+=\" $word\";; esac\n"
      "  done\n  local words=\n  case $path in\n");
  std::string paths;
  for (const std::string& line : lines) {
    const std::size_t colon = line.find(':');
    std::string path = line.substr(0, colon);
    std::printf("    '%s') words='%s';;\n", path.c_str(), line.substr(colon + 1).c_str());
    for (char& c : path) c = c == ' ' ? '_' : c;
    paths += path + " ";
  }
  std::printf(
      "  esac\n  COMPREPLY=($(compgen -W \"$words\" -- \"${COMP_WORDS[COMP_CWORD]}\"))\n"
      "  [[ ${#COMPREPLY[@]} -gt 0 ]] || COMPREPLY=($(compgen -f -- "
      "\"${COMP_WORDS[COMP_CWORD]}\"))\n}\n"
      "_fallow_paths='%s'\ncomplete -F _fallow fallow\n",
      paths.c_str());
  return kDone;
}

}  // namespace

void add_completion(Parser& app, Context& context, Host& /*host*/) {
  auto shell = std::make_shared<std::string>();
  Parser* command = app.add_subcommand("completion", "print a completion script for your shell");
  command->add_option("shell", *shell, "yours")->required()->check(one_of({"bash", "zsh", "fish"}));
  command->footer(
      "Example:\n  fallow completion bash > ~/.local/share/bash-completion/completions/fallow");
  command->callback(
      [=, &app, &context] { context.run = [=, &app] { return print_completion(app, *shell); }; });
}

}  // namespace fallow::cli
