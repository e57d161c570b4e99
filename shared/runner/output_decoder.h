// Turns the bytes of one stream into text that every Foreman can store: valid UTF-8 without NUL. A character that is split
// between two reads is kept back until the rest arrives.
//
// Threads: one user at a time.
#pragma once

#include <string>
#include <string_view>

namespace dynflow::runner {

class OutputDecoder {
 public:
  // The text that is complete so far.
  std::string feed(std::string_view bytes);
  // What was kept back, as a replacement character; nothing when nothing was.
  std::string finish();

 private:
  std::string carry_;  // at most 3 bytes: the start of a character
};

}  // namespace dynflow::runner
