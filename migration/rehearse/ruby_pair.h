// The Ruby proxy and its sidecar, where they are installed, and how they are started with settings that are not the site's.
//
// Threads: pure functions.
#pragma once

#include <string>
#include <vector>

#include "shared/base/result.h"

namespace dynflow::migration {

// Commands that get the folder with settings.yml as one more argument, the last.
struct RubyPair {
  std::vector<std::string> proxy;
  std::vector<std::string> core;
};

// As the packages of Foreman 1.22 to 2.5 put them below `root` ("" or "/": this machine). kNotFound: what is not there.
Result<RubyPair> find_ruby_pair(const std::string& root);

// "ruby -I lib proxy.rb" as words; blanks part them.
std::vector<std::string> words_of(const std::string& command);

}  // namespace dynflow::migration
