#include "migration/rehearse/playground.h"

#include <catch2/catch.hpp>
#include <csignal>

namespace dynflow::migration {
namespace {

const Interrupt& nobody() {
  static const Interrupt interrupt(Deadline::after(std::chrono::minutes(10)));
  return interrupt;
}

TEST_CASE("A playground goes away with all that is in it") {
  std::filesystem::path path;
  {
    const auto playground = Playground::make();
    REQUIRE(playground.ok());
    path = playground->path();
    const auto folder = playground->folder("a/b");
    REQUIRE(folder.ok());
    REQUIRE(write_file(*folder / "file", "text").ok());
    CHECK(std::filesystem::exists(path / "a/b/file"));
  }
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("Free ports are all different") {
  const auto ports = free_ports(3);
  REQUIRE(ports.ok());
  CHECK(ports->size() == 3);
  CHECK((*ports)[0] != (*ports)[1]);
  CHECK((*ports)[1] != (*ports)[2]);
}

TEST_CASE("A server that ends at once is an error with its last words") {
  process::SpawnOptions options;
  options.argv = {"sh", "-c", "echo no such luck >&2; exit 3"};
  options.environment = process::clean_environment();
  const auto server = Server::start("thing", std::move(options), 1, "/nonexistent", nobody());
  REQUIRE_FALSE(server.ok());
  CHECK(server.error().code() == Code::kFailed);
  CHECK(server.error().message() == "thing ended at once: no such luck\n");
}

TEST_CASE("Waiting for a server ends with the interrupt, and so does the server") {
  Interrupt interrupt(Deadline::after(std::chrono::minutes(10)));
  interrupt.set_for_test();
  process::SpawnOptions options;
  options.argv = {"sleep", "600"};
  options.environment = process::clean_environment();
  const auto server = Server::start("sleeper", std::move(options), 1, "/nonexistent", interrupt);
  REQUIRE_FALSE(server.ok());
  CHECK(server.error().code() == Code::kClosed);
}

TEST_CASE("A program is run to its end") {
  const auto text = run_program({"sh", "-c", "echo out; echo err >&2"}, nobody());
  REQUIRE(text.ok());
  CHECK(*text == "out\nerr\n");
  const auto failed = run_program({"sh", "-c", "echo why; exit 1"}, nobody());
  REQUIRE_FALSE(failed.ok());
  CHECK(failed.error().message() == "sh: why\n");
}

TEST_CASE("A program that is not installed") {
  const auto path = find_program("no-such-program-anywhere");
  REQUIRE_FALSE(path.ok());
  CHECK(path.error().code() == Code::kNotFound);
  CHECK(find_program("sh").ok());
}

}  // namespace
}  // namespace dynflow::migration
