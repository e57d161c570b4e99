#include "shared/http/request_body.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "shared/base/wiped_memory.h"

namespace dynflow::http {

std::optional<std::uint64_t> RequestBody::length() const {
  if (connection_.head.body == BodyKind::kChunked) {
    // A short chunked body is here already.
    if (connection_.framing.is_complete()) return connection_.body.size();
    return std::nullopt;
  }
  return connection_.head.content_length;
}

Error RequestBody::fail(Error error) {
  connection_.must_close = true;
  return error;
}

Result<std::size_t> RequestBody::read(std::span<char> buffer) {
  if (buffer.empty()) return std::size_t{0};
  const std::size_t left = connection_.body.size() - collected_at_;
  if (left > 0) {
    const std::size_t count = std::min(left, buffer.size());
    std::memcpy(buffer.data(), connection_.body.data() + collected_at_, count);
    collected_at_ += count;
    total_ += count;
    return count;
  }
  auto got = read_more(buffer);
  if (!got) return fail(got.error());
  total_ += *got;
  if (total_ > connection_.options.max_body) return fail(Error(Code::kTooLarge, "the body is too long"));
  return got;
}

Result<std::size_t> RequestBody::read_more(std::span<char> buffer) {
  BodyFraming& framing = connection_.framing;
  while (!framing.is_complete()) {
    if (!connection_.input().empty()) {
      auto step = framing.take(connection_.input(), buffer);
      if (!step) return step.error();
      connection_.consume(step->consumed);
      connection_.must_continue = false;
      if (step->produced > 0) return step->produced;
      continue;
    }
    if (connection_.must_continue) {
      connection_.must_continue = false;
      if (auto sent = connection_.io.write(kContinue, {}, deadline_); !sent) return sent.error();
    }
    // Bytes of a body with a length go straight to the reader; anything else has framing in it.
    const std::uint64_t plain = framing.plain_bytes();
    std::array<char, kReadSize> scratch;
    const std::span<char> target = plain > 0 ? buffer.first(std::min<std::uint64_t>(plain, buffer.size())) : scratch;
    auto got = connection_.io.read(target, deadline_);
    if (!got) return got.error();
    if (*got == 0) return Error(Code::kClosed, "the connection ended within the body");
    if (plain > 0) {
      framing.took_plain(*got);
      return got;
    }
    connection_.append_input({scratch.data(), *got});
    wipe(std::span(scratch).first(*got));
  }
  return std::size_t{0};
}

}  // namespace dynflow::http
