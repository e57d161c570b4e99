// What the program says: lines for people, or one JSON document with --json. Progress is a bar on a terminal, a line now and then
// elsewhere, and nothing with --json.
//
// Threads: one at a time.
#pragma once

#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "migration/exit_code.h"
#include "shared/json/json_fwd.h"

namespace dynflow::migration {

class Output {
 public:
  // The streams stay the caller's.
  Output(bool is_json, std::FILE* out, std::FILE* err);
  ~Output();
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  // A line for people, at once; not said with --json.
  void say(std::string_view line);
  // Something that went wrong or needs attention: on the error stream in both forms. With --json it is also a member of "warnings".
  void warn(std::string_view line);
  // The document that --json prints at the end: an object, filled by the command.
  Json& document();
  bool is_json() const { return is_json_; }

  // `done` of `total`: a bar with what `text` says on a terminal, else a line when the percentage is another by ten or more.
  void progress(std::size_t done, std::size_t total, std::string_view text);
  // Ends a bar; harmless without one.
  void end_progress();

  // Prints the document with "exit_code" in it; the last call. The status to end with: kError when a part of the output could not be
  // written (a full disk, say), which nobody is to take for the whole.
  ExitCode finish(ExitCode code);

 private:
  struct State;
  // At once. A stream that takes nothing stops no change in the middle.
  void write(std::FILE* stream, std::string_view text);
  bool is_json_;
  std::FILE* out_;
  std::FILE* err_;
  std::unique_ptr<State> state_;  // keeps the JSON library out of this header
};

}  // namespace dynflow::migration
