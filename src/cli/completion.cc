// weir completion bash|zsh|fish: a script made from the commands and flags that are there.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "cli/commands.h"

namespace weir::cli {

namespace {

// By command path ("bench disk"; "" is weir itself): what may follow.
struct word {
  std::string text;
  std::string description;
};
using words_by_path = std::map<std::string, std::vector<word>>;

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

void collect(const CLI::App& app, const std::string& path, words_by_path& out) {
  std::vector<word>& words = out[path];
  for (const CLI::App* c : app.get_subcommands({})) {
    words.push_back({c->get_name(), first_line(c->get_description())});
    collect(*c, path.empty() ? c->get_name() : path + " " + c->get_name(), out);
  }
  for (const CLI::Option* o : app.get_options()) {
    for (const std::string& name : o->get_lnames()) words.push_back({"--" + name, first_line(o->get_description())});
  }
}

std::string joined(const std::vector<word>& words) {
  std::string out;
  for (const word& w : words) out += (out.empty() ? "" : " ") + w.text;
  return out;
}

std::string quoted(std::string text) {
  for (std::size_t at = 0; (at = text.find('\'', at)) != std::string::npos; at += 4) text.replace(at, 1, "'\\''");
  return "'" + text + "'";
}

std::string bash_script(const words_by_path& all) {
  std::string out =
      "_weir() {\n  local path= word\n  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
      "    [[ $word == -* ]] || path=\"${path:+$path }$word\"\n  done\n  local words=\n  case \"$path\" in\n";
  for (const auto& [path, words] : all) out += "    " + quoted(path) + ") words=" + quoted(joined(words)) + " ;;\n";
  return out +
         "  esac\n  COMPREPLY=($(compgen -W \"$words\" -- \"${COMP_WORDS[COMP_CWORD]}\"))\n}\ncomplete -o default -F "
         "_weir weir\n";
}

std::string zsh_script(const words_by_path& all) {
  std::string out =
      "#compdef weir\n_weir() {\n  local path= word\n  for word in ${words[2,CURRENT-1]}; do\n"
      "    [[ $word == -* ]] || path=\"${path:+$path }$word\"\n  done\n  local -a found\n  case $path in\n";
  for (const auto& [path, words] : all) {
    out += "    " + quoted(path) + ") found=(";
    for (const word& w : words) {
      std::string described = w.text + ":" + w.description;
      out += " " + quoted(described);
    }
    out += ") ;;\n";
  }
  return out + "  esac\n  _describe command found\n}\ncompdef _weir weir\n";
}

std::string fish_script(const words_by_path& all) {
  std::string out = "complete -c weir -f\n";
  for (const auto& [path, words] : all) {
    const std::string when =
        path.empty() ? "__fish_use_subcommand" : "__fish_seen_subcommand_from " + path.substr(path.rfind(' ') + 1);
    for (const word& w : words) {
      const bool flag = w.text.starts_with("--");
      out += "complete -c weir -n " + quoted(when) + (flag ? " -l " + w.text.substr(2) : " -a " + quoted(w.text)) +
             " -d " + quoted(w.description) + "\n";
    }
  }
  return out;
}

}  // namespace

void add_completion_command(CLI::App& app, run_state& run) {
  auto shell = std::make_shared<std::string>();
  CLI::App& command = *app.add_subcommand(
      "completion", "print a completion script: weir completion bash > /etc/bash_completion.d/weir");
  command.add_option("shell", *shell, "bash, zsh or fish")->required()->check(CLI::IsMember({"bash", "zsh", "fish"}));
  command.callback([&app, &run, shell] {
    run.action = [&app, shell] {
      words_by_path all;
      collect(app, "", all);
      const std::string script = *shell == "bash"  ? bash_script(all)
                                 : *shell == "zsh" ? zsh_script(all)
                                                   : fish_script(all);
      std::fputs(script.c_str(), stdout);
      return 0;
    };
  });
}

}  // namespace weir::cli
