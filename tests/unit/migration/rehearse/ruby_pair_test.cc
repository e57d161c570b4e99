#include "migration/rehearse/ruby_pair.h"

#include <stdlib.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

namespace dynflow::migration {
namespace {

namespace fs = std::filesystem;

class Tree {
 public:
  Tree() { REQUIRE(::mkdtemp(path_.data()) != nullptr); }
  ~Tree() { fs::remove_all(path_); }
  const std::string& path() const { return path_; }
  void add(const std::string& file, const std::string& text) const {
    fs::create_directories(fs::path(path_ + file).parent_path());
    std::ofstream(path_ + file) << text;
  }

 private:
  std::string path_ = "/tmp/ruby-pair.XXXXXX";
};

TEST_CASE("The Ruby pair is found where its packages put it") {
  const Tree tree;
  CHECK(find_ruby_pair(tree.path()).error().message() == "there is no Ruby proxy in /usr/share/foreman-proxy");
  tree.add("/usr/share/foreman-proxy/bin/smart-proxy", "#!/usr/bin/env ruby\nrequire 'x'\n");
  // Ours have the same name.
  tree.add("/usr/bin/smart_proxy_dynflow_core", "\x7f" "ELF");
  CHECK(find_ruby_pair(tree.path()).error().message() ==
        "there is a Ruby proxy in /usr/share/foreman-proxy, and no Ruby smart_proxy_dynflow_core");
  const std::string core = "/opt/theforeman/tfm/root/usr/bin/smart_proxy_dynflow_core";
  tree.add(core, "#!/usr/bin/tfm-ruby\n");
  const auto pair = find_ruby_pair(tree.path());
  REQUIRE(pair.ok());
  CHECK(pair->core == std::vector<std::string>{"/usr/bin/tfm-ruby", tree.path() + core, "--one-config", "--config-dir"});
  REQUIRE(pair->proxy.size() == 5);
  CHECK(pair->proxy[0] == "/usr/bin/env");
  CHECK(pair->proxy[1] == "ruby");
  CHECK(pair->proxy[2] == "-e");
  CHECK(pair->proxy[4] == tree.path() + "/usr/share/foreman-proxy");
}

TEST_CASE("A command is parted by blanks") {
  CHECK(words_of(" ruby  -I lib\tproxy.rb ") == std::vector<std::string>{"ruby", "-I", "lib", "proxy.rb"});
  CHECK(words_of(" ").empty());
}

}  // namespace
}  // namespace dynflow::migration
