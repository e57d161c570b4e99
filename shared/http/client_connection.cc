#include "shared/http/client_connection.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

namespace dynflow::http {
namespace {

constexpr std::size_t kPiece = 64 * 1024;
constexpr std::size_t kReadSize = 16 * 1024;
constexpr std::string_view kVersionStart = "HTTP/";
// A server that goes on sending interim answers would keep us for ever.
constexpr int kMaxInterim = 16;

Error bad_peer(std::string_view what) { return Error(Code::kBadPeer, std::string(what)); }

}  // namespace

void ClientConnection::consume(std::size_t count) {
  in_at_ += count;
  if (in_at_ < in_.size()) return;
  in_.clear();
  in_at_ = 0;
}

bool ClientConnection::is_stale() {
  std::array<char, 1> byte;
  return io.read_some(byte).state != net::IoState::kWantRead;
}

// Readability alone proves nothing under TLS: it may be a session ticket.
bool ClientConnection::has_early_answer() {
  std::array<char, kReadSize> buffer;
  const net::IoResult got = io.read_some(buffer);
  if (got.state == net::IoState::kReady) {
    in_.append(buffer.data(), got.bytes);
    has_answer_ = true;
    return true;
  }
  has_ended_ = has_ended_ || got.state == net::IoState::kEnd;
  return got.state == net::IoState::kEnd || got.state == net::IoState::kFailed;
}

Result<ClientConnection::Progress> ClientConnection::write(std::string_view first, std::string_view second,
                                                           Deadline deadline) {
  while (!first.empty() || !second.empty()) {
    const net::IoResult step = io.write_some(first, second);
    if (step.state == net::IoState::kReady) {
      has_written_ = has_written_ || step.bytes > 0;
      const std::size_t of_first = std::min(step.bytes, first.size());
      first.remove_prefix(of_first);
      second.remove_prefix(step.bytes - of_first);
      continue;
    }
    if (step.state == net::IoState::kEnd || step.state == net::IoState::kFailed) {
      // A server that refuses a body answers, closes, and resets what is still on its way.
      if (has_early_answer() && has_answer_) return Progress::kAnswered;
      return Error(Code::kClosed, "the connection broke while the request was sent");
    }
    if (auto ready = io.wait_either(step.state, deadline); !ready) return ready.error();
    if (has_early_answer()) return Progress::kAnswered;
  }
  return Progress::kSent;
}

Status ClientConnection::send_request(std::string_view head, BodyStream* body, bool is_chunked, Deadline deadline) {
  has_written_ = has_answer_ = has_body_failure_ = false;
  is_keep_alive_ = true;
  framing_ = BodyFraming();
  if (body == nullptr) {
    auto sent = write(head, {}, deadline);
    if (!sent) return sent.error();
    if (*sent == Progress::kAnswered) is_keep_alive_ = false;
    return {};
  }
  std::string pending(head);
  std::uint64_t left = !is_chunked ? body->length().value_or(0) : 0;
  std::string piece;
  bool is_first = true;
  while (is_chunked || left > 0) {
    piece.resize(is_chunked ? kPiece : static_cast<std::size_t>(std::min<std::uint64_t>(left, kPiece)));
    auto got = body->read(piece);
    has_body_failure_ = !got.ok() || (*got == 0 && !is_chunked);
    if (!got) return got.error();
    if (*got == 0 && !is_chunked) return Error(Code::kInvalid, "the body of the request is shorter than its length");
    const std::string_view data(piece.data(), *got);
    if (is_chunked) {
      if (*got > 0) pending += fmt::format("{:x}\r\n{}\r\n", *got, data);
      if (*got == 0) pending += "0\r\n\r\n";
    } else {
      left -= *got;
    }
    if (!is_first && has_early_answer()) {
      is_keep_alive_ = false;
      return {};
    }
    is_first = false;
    auto progress = write(pending, is_chunked ? std::string_view() : data, deadline);
    if (!progress) return progress.error();
    if (*progress == Progress::kAnswered) {
      is_keep_alive_ = false;
      return {};
    }
    pending.clear();
    if (*got == 0) return {};
  }
  auto progress = write(pending, {}, deadline);
  if (!progress) return progress.error();
  if (*progress == Progress::kAnswered) is_keep_alive_ = false;
  return {};
}

Status ClientConnection::fill(Deadline deadline) {
  if (has_ended_) return Error(Code::kClosed, "the connection was closed");
  std::array<char, kReadSize> buffer;
  // The first bytes of an answer are never here already.
  auto got = has_answer_ ? io.read(buffer, deadline) : io.read_later(buffer, deadline);
  if (!got) return got.error();
  if (*got == 0) {
    has_ended_ = true;
    return Error(Code::kClosed, "the connection was closed");
  }
  has_answer_ = true;
  in_.append(buffer.data(), *got);
  return {};
}

Result<ResponseHead> ClientConnection::read_head(bool is_head, Deadline deadline) {
  HeadScanner scanner;
  for (int interim = 0; interim <= kMaxInterim;) {
    const auto scanned = scanner.scan(input());
    if (const auto* why = std::get_if<Reject>(&scanned)) return bad_peer(why->reason);
    const std::size_t size = std::get<std::size_t>(scanned);
    if (size == 0) {
      // An SSH server, say, greets and then waits: it would never finish a head.
      if (input().substr(0, kVersionStart.size()) != kVersionStart.substr(0, input().size())) {
        return bad_peer("what answers does not speak HTTP");
      }
      if (auto filled = fill(deadline); !filled) {
        if (filled.error().code() == Code::kTimeout || !has_answer_) return filled.error();
        return bad_peer("the connection was closed within the head of the answer");
      }
      continue;
    }
    auto parsed = parse_response_head(input().substr(0, size));
    if (const auto* why = std::get_if<Reject>(&parsed)) return bad_peer(why->reason);
    consume(size);
    scanner.reset();
    auto& head = std::get<ResponseHead>(parsed);
    if (head.status == 101) return bad_peer("a protocol switch that nobody asked for");
    if (head.status < 200) {
      ++interim;
      continue;
    }
    const bool has_no_body = is_head || head.status == 204 || head.status == 304;
    framing_ = has_no_body ? BodyFraming() : BodyFraming(head.body, head.content_length);
    is_keep_alive_ = is_keep_alive_ && head.keep_alive && (has_no_body || head.body != BodyKind::kUntilClose);
    return std::move(head);
  }
  return bad_peer("too many interim answers");
}

bool ClientConnection::body_is_here() const {
  if (framing_.is_complete()) return true;
  const bool is_unbounded = framing_.plain_bytes() == std::numeric_limits<std::uint64_t>::max();
  return !is_unbounded && framing_.plain_bytes() > 0 && framing_.plain_bytes() <= input().size();
}

Result<std::size_t> ClientConnection::read_body(std::span<char> buffer, Deadline deadline) {
  if (buffer.empty()) return std::size_t{0};
  while (!framing_.is_complete()) {
    if (!input().empty()) {
      auto step = framing_.take(input(), buffer);
      if (!step) return bad_peer(step.error().message());
      consume(step->consumed);
      if (step->produced > 0) return step->produced;
      continue;
    }
    const std::uint64_t plain = framing_.plain_bytes();
    if (plain > 0 && !has_ended_) {
      auto got = io.read(buffer.first(static_cast<std::size_t>(std::min<std::uint64_t>(plain, buffer.size()))), deadline);
      if (!got && got.error().code() == Code::kTimeout) return got.error();
      if (!got) return bad_peer("the connection broke within the body of the answer");
      if (*got > 0) {
        framing_.took_plain(*got);
        return got;
      }
      has_ended_ = true;
    }
    if (has_ended_) {
      if (auto ended = framing_.end_of_input(); !ended) return bad_peer("the body of the answer was cut short");
      break;
    }
    if (auto filled = fill(deadline); !filled) {
      if (filled.error().code() == Code::kTimeout) return filled.error();
      if (!has_ended_) return bad_peer("the connection broke within the body of the answer");
    }
  }
  // Chunked bodies end with bytes that are no data.
  return std::size_t{0};
}

}  // namespace dynflow::http
