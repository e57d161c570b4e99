#include "migration/output.h"

#include <catch2/catch.hpp>
#include <algorithm>
#include <cstdio>
#include <string>

#include "shared/json/json.h"

using namespace dynflow;
using namespace dynflow::migration;

namespace {

// A stream whose text can be read back.
class Memory {
 public:
  Memory() : file_(std::tmpfile()) {}
  ~Memory() { std::fclose(file_); }
  std::FILE* file() { return file_; }
  std::string text() {
    std::fflush(file_);
    std::rewind(file_);
    std::string text(4096, '\0');
    text.resize(std::fread(text.data(), 1, text.size(), file_));
    return text;
  }

 private:
  std::FILE* file_;
};

}  // namespace

TEST_CASE("lines for people", "[migration][output]") {
  Memory out;
  Memory err;
  Output output(false, out.file(), err.file());
  output.say("phase P0");
  output.document()["phase"] = "P0";
  output.warn("look here");
  output.finish(ExitCode::kWarnings);
  CHECK(out.text() == "phase P0\n");
  CHECK(err.text() == "dynflow-migrate: look here\n");
}

TEST_CASE("one document with --json", "[migration][output]") {
  Memory out;
  Memory err;
  Output output(true, out.file(), err.file());
  output.say("phase P0");
  output.document()["phase"] = "P0";
  output.warn("look here");
  output.progress(1, 2, "tasks");
  output.finish(ExitCode::kJobsRun);
  const Json document = json::parse(out.text()).value();
  CHECK(json::get_string(document, "phase") == "P0");
  CHECK(json::get_int(document, "exit_code", -1) == 4);
  CHECK(document["warnings"].size() == 1);
}

TEST_CASE("progress outside a terminal is a line each tenth", "[migration][output]") {
  Memory out;
  Memory err;
  Output output(false, out.file(), err.file());
  for (std::size_t done = 0; done <= 200; ++done) output.progress(done, 200, "tasks finished");
  const std::string text = out.text();
  CHECK(std::count(text.begin(), text.end(), '\n') == 11);
  CHECK(err.text().empty());
}

TEST_CASE("an output that cannot be written is no success", "[migration][output]") {
  std::FILE* full = std::fopen("/dev/full", "w");
  Memory err;
  for (const bool is_json : {false, true}) {
    Output output(is_json, full, err.file());
    output.say("phase P0");
    CHECK(output.finish(ExitCode::kFine) == ExitCode::kError);
  }
  CHECK(err.text().find("could not be written") != std::string::npos);
  {
    Output output(false, err.file(), full);
    output.warn("look here");
    output.progress(1, 2, "tasks");
    CHECK(output.finish(ExitCode::kChanged) == ExitCode::kChanged);
  }
  std::fclose(full);
}
