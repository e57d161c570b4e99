#include "migration/rehearse/ruby_pair.h"

#include <fmt/format.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

namespace dynflow::migration {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kProxyFolder = "/usr/share/foreman-proxy";
constexpr std::array<std::string_view, 4> kCoreFolders = {"/usr/bin", "/usr/sbin", "/usr/local/bin", "/opt/theforeman/tfm/root/usr/bin"};
constexpr std::string_view kCore = "smart_proxy_dynflow_core";

// The Ruby proxy has no option for the place of its settings. It reads them after it has required its gems (smart-proxy 2.4.0,
// lib/smart_proxy_main.rb), so that its own start goes on as it is otherwise. Arguments: its folder, the folder with settings.yml.
constexpr std::string_view kStart = R"ruby(
share, settings = ARGV
$LOAD_PATH.unshift("#{share}/lib", "#{share}/modules")
require 'bundler_helper'
Proxy::BundlerHelper.singleton_class.prepend(Module.new do
  define_method(:require_groups) do |*groups|
    place = Module.new { define_method(:initialize_global_settings) { |*| super(File.join(settings, 'settings.yml')) } }
    Proxy::Settings.singleton_class.prepend(place)
    super(*groups)
  end
end)
require 'smart_proxy_main'
Proxy::Launcher.new.launch
)ruby";

// The words behind "#!" of a script for Ruby; none for anything else, such as our own programs of the same name.
std::optional<std::vector<std::string>> ruby_of(const fs::path& script) {
  std::ifstream file(script, std::ios::binary);
  std::string line;
  if (!std::getline(file, line) || !line.starts_with("#!") || line.find("ruby") == std::string::npos) return std::nullopt;
  return words_of(line.substr(2));
}

}  // namespace

std::vector<std::string> words_of(const std::string& command) {
  std::istringstream stream(command);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

Result<RubyPair> find_ruby_pair(const std::string& root) {
  const std::string below = root == "/" ? "" : root;
  RubyPair pair;
  const std::string share = fmt::format("{}{}", below, kProxyFolder);
  const auto ruby = ruby_of(share + "/bin/smart-proxy");
  if (!ruby) return Error(Code::kNotFound, fmt::format("there is no Ruby proxy in {}", kProxyFolder));
  pair.proxy = *ruby;
  pair.proxy.insert(pair.proxy.end(), {"-e", std::string(kStart), share});
  for (const std::string_view folder : kCoreFolders) {
    const std::string path = fmt::format("{}{}/{}", below, folder, kCore);
    const auto interpreter = ruby_of(path);
    if (!interpreter) continue;
    pair.core = *interpreter;
    pair.core.insert(pair.core.end(), {path, "--one-config", "--config-dir"});
    return pair;
  }
  return Error(Code::kNotFound, fmt::format("there is a Ruby proxy in {}, and no Ruby {}", kProxyFolder, kCore));
}

}  // namespace dynflow::migration
