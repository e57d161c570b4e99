// The strict decoder of the chunked transfer coding (RFC 9112, 7.1). Pure: no I/O, nothing copied.
//
// Threads: a value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "shared/base/result.h"

namespace dynflow::http {

class ChunkedDecoder {
 public:
  struct Step {
    std::size_t consumed = 0;   // bytes of the input that are dealt with, framing and data
    std::string_view data;      // body bytes inside the consumed input
  };

  // Takes up to one run of body bytes from the start of `input`, at most `limit` bytes of it. A step without data
  // and with everything consumed needs more input. Errors (final): kInvalid for whatever is not exactly the coding,
  // kTooLarge for framing without measure: size lines, extensions and trailers are bounded and dropped.
  Result<Step> step(std::string_view input, std::size_t limit);
  bool is_complete() const { return state_ == State::kComplete; }

 private:
  enum class State {
    kSize,         // in the hexadecimal digits
    kExtension,    // behind them, before CR
    kSizeFeed,     // LF of the size line expected
    kData,         // `left_` bytes of the chunk to come
    kDataReturn,   // CR behind the data expected
    kDataFeed,     // LF behind the data expected
    kTrailer,      // in a trailer line
    kTrailerFeed,  // LF of a trailer line expected
    kComplete,     // the last chunk and the trailers are over
    kBroken,       // an error was reported
  };
  Status framing_byte(char c);
  Status end_of_size();

  State state_ = State::kSize;
  std::uint64_t left_ = 0;
  int digits_ = 0;
  std::size_t line_ = 0;        // bytes of the present trailer line
  std::size_t overhead_ = 0;    // extension and trailer bytes so far
};

}  // namespace dynflow::http
