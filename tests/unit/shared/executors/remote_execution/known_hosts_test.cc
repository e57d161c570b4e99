#include "shared/executors/remote_execution/known_hosts.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>
#include <vector>

namespace dynflow::remote_execution {
namespace {

constexpr const char* kKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIH1dTIapnML5oWeOI8fDNOZ/C2HuEYmWyuT9XTPdteQc";
// Made by `ssh-keygen -H` for web.example.com.
constexpr const char* kHashed = "|1|HN5i5vkfor0rtmWPocPUGhdF3C0=|kALYQI0IYnDy76NDZZBOh86wKM0=";

std::string line(const std::string& hosts) { return hosts + " " + kKey + "\n"; }

class Folder {
 public:
  Folder() {
    char name[] = "/tmp/known-hosts-XXXXXX";
    path_ = ::mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

std::string read(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void write(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

}  // namespace

TEST_CASE("a host's name has a port unless it is 22") {
  CHECK(known_hosts_name("web", 22) == "web");
  CHECK(known_hosts_name("web", 2222) == "[web]:2222");
}

TEST_CASE("names match whole, in any case, never as patterns") {
  CHECK(names_host("web", "web"));
  CHECK(names_host("db,WEB", "web"));
  CHECK_FALSE(names_host("web2", "web"));
  CHECK_FALSE(names_host("*.example.com", "web.example.com"));
  CHECK_FALSE(names_host("!web", "web"));
  CHECK_FALSE(names_host("[web]:2222", "web"));
}

TEST_CASE("forgetting takes lines or names and keeps the rest") {
  const std::string text = "# comment about web\n" + line("web") + line("web,10.0.0.1") + line("other") + "\n" +
                           "@cert-authority *.example.com,web " + kKey + "\n" + "web garbage\n" + "no-key\n";
  const std::string kept = without_host(text, "web");
  CHECK(kept == "# comment about web\n" + line("10.0.0.1") + line("other") + "\n" + "@cert-authority *.example.com,web " +
                    kKey + "\n" + "no-key\n");
  CHECK(without_host(kept, "web") == kept);
  CHECK(without_host("", "web") == "");
}

TEST_CASE("a last line without an end stays so") {
  CHECK(without_host("other " + std::string(kKey), "web") == "other " + std::string(kKey));
  CHECK(without_host(line("other") + "web " + kKey, "web") == line("other"));
}

TEST_CASE("hashed lines are found by computing") {
  const std::string hashed = std::string(kHashed) + " " + kKey + "\n";
  CHECK(without_host(hashed + line("other"), "web.example.com") == line("other"));
  CHECK(without_host(hashed, "web.example.org") == hashed);
  CHECK(without_host("|1|broken " + std::string(kKey) + "\n", "web") == "|1|broken " + std::string(kKey) + "\n");
}

TEST_CASE("the file loses host and [host]:port, keeps its mode, and a missing one is fine") {
  const Folder folder;
  const std::string path = folder.file("known_hosts");
  CHECK(forget_host(path, "web", 22));
  CHECK_FALSE(std::filesystem::exists(path));
  write(path, line("web") + line("[web]:2222") + line("[web]:2200"));
  std::filesystem::permissions(path, std::filesystem::perms(0640));
  CHECK(forget_host(path, "web", 2222));
  CHECK(read(path) == line("[web]:2200"));
  CHECK(std::filesystem::status(path).permissions() == std::filesystem::perms(0640));
}

TEST_CASE("adding makes the file, ends an unfinished line, and adds nothing twice") {
  const Folder folder;
  const std::string path = folder.file("ssh/known_hosts");
  REQUIRE(add_line(path, line("a")));
  CHECK(std::filesystem::status(path).permissions() == std::filesystem::perms(0600));
  REQUIRE(add_line(path, line("a")));
  CHECK(read(path) == line("a"));
  write(path, "b " + std::string(kKey));
  REQUIRE(add_line(path, line("a")));
  CHECK(read(path) == line("b") + line("a"));
}

TEST_CASE("writers at the same time lose no line") {
  const Folder folder;
  const std::string path = folder.file("known_hosts");
  write(path, line("old"));
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      for (int n = 0; n < 10; ++n) {
        const std::string host = "h" + std::to_string(i) + "-" + std::to_string(n);
        if (!add_line(path, line(host)) || !add_line(path, line("gone" + host)) || !forget_host(path, "gone" + host, 22)) std::abort();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::string text = read(path);
  CHECK(std::count(text.begin(), text.end(), '\n') == 41);
  CHECK(text.find("gone") == std::string::npos);
}

TEST_CASE("what cannot be written is an error") {
  CHECK_FALSE(add_line("/proc/nowhere/known_hosts", line("a")));
}

}  // namespace dynflow::remote_execution
