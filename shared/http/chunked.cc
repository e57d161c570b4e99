#include "shared/http/chunked.h"

#include <algorithm>

namespace dynflow::http {
namespace {

// 12 digits are 256 TiB: no overflow, and longer ones have no honest use.
constexpr int kMaxDigits = 12;
// For the extensions of all chunks and the trailers of a body together.
constexpr std::size_t kMaxOverhead = 16 * 1024;

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_control(char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7F; }

Error broken(const char* what) { return Error(Code::kInvalid, std::string("chunked body: ") + what); }

}  // namespace

Status ChunkedDecoder::end_of_size() {
  if (digits_ == 0) return broken("size without digits");
  state_ = State::kSizeFeed;
  return {};
}

Status ChunkedDecoder::framing_byte(char c) {
  switch (state_) {
    case State::kSize: {
      if (c == '\r') return end_of_size();
      if (c == ';') {
        if (digits_ == 0) return broken("size without digits");
        state_ = State::kExtension;
        return {};
      }
      const int digit = hex_digit(c);
      if (digit < 0) return broken("malformed size");
      if (++digits_ > kMaxDigits) return Error(Code::kTooLarge, "chunked body: size too long");
      left_ = left_ * 16 + static_cast<std::uint64_t>(digit);
      return {};
    }
    case State::kExtension:
      if (c == '\r') return end_of_size();
      if (is_control(c)) return broken("control byte in an extension");
      if (++overhead_ > kMaxOverhead) return Error(Code::kTooLarge, "chunked body: extensions too long");
      return {};
    case State::kSizeFeed:
      if (c != '\n') return broken("CR without LF");
      line_ = 0;
      state_ = left_ > 0 ? State::kData : State::kTrailer;
      return {};
    case State::kDataReturn:
      if (c != '\r') return broken("chunk longer than its size");
      state_ = State::kDataFeed;
      return {};
    case State::kDataFeed:
      if (c != '\n') return broken("CR without LF");
      digits_ = 0;
      state_ = State::kSize;
      return {};
    case State::kTrailer:
      if (c == '\r') {
        state_ = State::kTrailerFeed;
        return {};
      }
      if (is_control(c)) return broken("control byte in a trailer");
      if (++overhead_ > kMaxOverhead) return Error(Code::kTooLarge, "chunked body: trailers too long");
      ++line_;
      return {};
    case State::kTrailerFeed:
      if (c != '\n') return broken("CR without LF");
      state_ = line_ == 0 ? State::kComplete : State::kTrailer;
      line_ = 0;
      return {};
    case State::kData:
    case State::kComplete:
    case State::kBroken: break;
  }
  return broken("already ended");
}

Result<ChunkedDecoder::Step> ChunkedDecoder::step(std::string_view input, std::size_t limit) {
  Step step;
  while (step.consumed < input.size() && state_ != State::kComplete) {
    if (state_ == State::kData) {
      const std::uint64_t available = std::min<std::uint64_t>(input.size() - step.consumed, left_);
      const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(available, limit));
      step.data = input.substr(step.consumed, count);
      step.consumed += count;
      left_ -= count;
      if (left_ == 0) state_ = State::kDataReturn;
      return step;
    }
    if (auto taken = framing_byte(input[step.consumed]); !taken) {
      state_ = State::kBroken;
      return taken.error();
    }
    ++step.consumed;
  }
  return step;
}

}  // namespace dynflow::http
