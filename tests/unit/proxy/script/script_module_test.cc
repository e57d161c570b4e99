#include "proxy/script/script_module.h"

#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>

#include "shared/base/ids.h"

using namespace dynflow;
using namespace dynflow::proxy;

namespace {

class Folder {
 public:
  Folder() : path_(std::filesystem::temp_directory_path() / ("script-module-" + random_hex(8))) {
    std::filesystem::create_directory(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string file(const std::string& name, const std::string& text) const {
    std::ofstream(path_ / name) << text;
    return path_ / name;
  }
  std::string missing() const { return path_ / "missing"; }

 private:
  const std::filesystem::path path_;
};

http::Response ask(ScriptModule& module, const std::string& path, const std::string& method = "GET") {
  http::Request request;
  request.method = method;
  request.path = request.target = path;
  request.body = http::body_of("");
  return module.handle(request);
}

}  // namespace

TEST_CASE("the public key is served as it stands in its file, and read anew each time") {
  const Folder folder;
  ScriptModule module({{true, true}, folder.file("id.pub", "ssh-ed25519 AAAA proxy\n"), ""});
  CHECK(ask(module, "/ssh/pubkey").status == 200);
  CHECK(ask(module, "/ssh/pubkey").body == "ssh-ed25519 AAAA proxy\n");
  folder.file("id.pub", "ssh-ed25519 BBBB proxy\n");
  CHECK(ask(module, "/ssh/pubkey").body == "ssh-ed25519 BBBB proxy\n");
}

TEST_CASE("without a CA its key is empty, with one it is the file") {
  const Folder folder;
  ScriptModule without({{true, true}, folder.missing(), ""});
  CHECK(ask(without, "/ssh/ca_pubkey").status == 200);
  CHECK(ask(without, "/ssh/ca_pubkey").body.empty());
  ScriptModule with({{true, true}, folder.missing(), folder.file("ca.pub", "ssh-rsa CA\n")});
  CHECK(ask(with, "/ssh/ca_pubkey").body == "ssh-rsa CA\n");
}

TEST_CASE("what cannot be read or is no key is not found") {
  const Folder folder;
  ScriptModule module({{true, true}, folder.missing(), folder.file("huge", std::string(100'000, 'x'))});
  CHECK(ask(module, "/ssh/pubkey").status == 404);
  CHECK(ask(module, "/ssh/pubkey").body == R"({"error":"There is no public key"})");
  CHECK(ask(module, "/ssh/ca_pubkey").status == 404);
}

TEST_CASE("other paths and methods are the proxy's 404") {
  const Folder folder;
  ScriptModule module({{true, false}, folder.file("id.pub", "key"), ""});
  for (const char* path : {"/ssh", "/ssh/", "/ssh/pubkey/", "/ssh/jobs"}) {
    CHECK(ask(module, path).status == 404);
    CHECK(ask(module, path).body == "Requested url was not found");
  }
  CHECK(ask(module, "/ssh/pubkey", "POST").status == 404);
  CHECK(module.serves(false));
  CHECK_FALSE(module.serves(true));
}
