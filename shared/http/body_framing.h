// Where a body begins and ends inside the bytes of a connection.
//
// Threads: a value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "shared/base/result.h"
#include "shared/http/chunked.h"
#include "shared/http/head.h"

namespace dynflow::http {

class BodyFraming {
 public:
  BodyFraming() = default;  // no body: complete
  BodyFraming(BodyKind kind, std::uint64_t content_length) : kind_(kind), left_(content_length) {}

  struct Step {
    std::size_t consumed = 0;  // of the input
    std::size_t produced = 0;  // body bytes copied to the output
  };
  // Moves body bytes from `input` to `output` until either is used up or the body is complete.
  // Errors (final): kInvalid, kTooLarge, as ChunkedDecoder.
  Result<Step> take(std::string_view input, std::span<char> output);

  bool is_complete() const;
  // The connection ended. Errors: kClosed when the body is not complete.
  Status end_of_input();
  // How many bytes may be read straight into a body buffer, without framing between them.
  std::uint64_t plain_bytes() const;
  // `count` bytes were read that way.
  void took_plain(std::uint64_t count);

 private:
  BodyKind kind_ = BodyKind::kNone;
  std::uint64_t left_ = 0;     // kLength: bytes to come
  bool has_ended_ = false;     // kUntilClose: the connection ended
  ChunkedDecoder decoder_;
};

}  // namespace dynflow::http
