#include "shared/http/served_connection.h"

#include "shared/base/wiped_memory.h"
#include "shared/net/peer_certificate.h"

namespace dynflow::http {
namespace {

Intake wait_for(net::IoState state) { return {Intake::Kind::kWait, state, {0, {}}}; }
Intake reject(Reject why) { return {Intake::Kind::kReject, net::IoState::kWantRead, why}; }
Intake closed() { return {Intake::Kind::kClose, net::IoState::kEnd, {0, {}}}; }
Intake complete() { return {Intake::Kind::kRequest, net::IoState::kReady, {0, {}}}; }

}  // namespace

std::int64_t ServedConnection::ns_after(std::chrono::milliseconds span) {
  return (system_clock().instant() + span).time_since_epoch() / std::chrono::nanoseconds(1);
}

ServedConnection::ServedConnection(Fd fd, IoThread& thread, const ServerOptions& server_options,
                                   std::string peer_address, bool is_tls)
    : io(std::move(fd)), owner(thread), options(server_options) {
  peer.address = std::move(peer_address);
  peer.is_tls = is_tls;
  local_address = net::to_string(net::local_endpoint(io.fd()));
  if (is_tls) phase = Phase::kHandshake;
}

void ServedConnection::consume(std::size_t count) {
  in_at_ += count;
  if (in_at_ < in_.size()) return;
  wipe(in_);
  in_at_ = 0;
}

void ServedConnection::shrink_buffers() {
  if (in_.capacity() > kReadSize && in_.empty()) in_ = std::string();
  if (body.capacity() > kReadSize) body = std::string();
}

Intake ServedConnection::advance(std::span<char> scratch) {
  for (;;) {
    bool needs_bytes = false;
    switch (phase) {
      case Phase::kHandshake: {
        const net::IoResult step = io.handshake();
        if (step.state == net::IoState::kWantRead || step.state == net::IoState::kWantWrite) return wait_for(step.state);
        if (step.state != net::IoState::kReady) return closed();
        peer.certificate = io.tls()->peer_certificate();
        phase = Phase::kHead;
        set_deadline(options.head_deadline);
        continue;
      }
      case Phase::kHead: {
        const Intake result = take_head(needs_bytes);
        if (!needs_bytes) return result;
        break;
      }
      case Phase::kBody: {
        const Intake result = take_body(needs_bytes);
        if (!needs_bytes) return result;
        break;
      }
      default: return closed();
    }
    const net::IoResult got = io.read_some(scratch);
    if (got.state == net::IoState::kWantRead || got.state == net::IoState::kWantWrite) return wait_for(got.state);
    if (got.state != net::IoState::kReady) return closed();
    const bool is_first_byte = is_idle();
    in_.append(scratch.data(), got.bytes);
    wipe(scratch.first(got.bytes));
    if (is_first_byte) set_deadline(options.head_deadline);
  }
}

Intake ServedConnection::take_head(bool& needs_bytes) {
  std::string_view bytes = input();
  // An empty line in front of a request is what some old clients send behind a body (RFC 9112, 2.2).
  if (bytes.substr(0, 2) == "\r\n") {
    consume(2);
    scanner_.reset();
    bytes = input();
  }
  const auto scanned = scanner_.scan(bytes.size() == 1 && bytes[0] == '\r' ? std::string_view() : bytes);
  if (const auto* why = std::get_if<Reject>(&scanned)) return reject(*why);
  const std::size_t size = std::get<std::size_t>(scanned);
  if (size == 0) {
    needs_bytes = true;
    return wait_for(net::IoState::kWantRead);
  }
  auto parsed = parse_request_head(bytes.substr(0, size));
  if (const auto* why = std::get_if<Reject>(&parsed)) return reject(*why);
  head = std::move(std::get<RequestHead>(parsed));
  consume(size);
  scanner_.reset();
  if (head.content_length > options.max_body) return reject({413, "the body is too long"});
  lane = options.lane ? options.lane(head) : Lane::kForeground;
  framing = BodyFraming(head.body, head.content_length);
  body.clear();
  must_continue = head.expects_continue;
  // Whoever asks before it sends a long body hears the handler's answer first. The others have to send some of it before they get a
  // worker: those that drip never do.
  const bool asks_first = must_continue && head.content_length > kCollectedBody;
  phase = framing.is_complete() || asks_first ? Phase::kRequest : Phase::kBody;
  if (phase == Phase::kRequest) return complete();
  set_deadline(options.body_deadline);
  if (must_continue && input().empty()) {
    // 25 bytes on a connection that waits for us: if they do not fit at once something is wrong with the client.
    if (io.write_some(kContinue).bytes != kContinue.size()) return closed();
  }
  must_continue = false;
  return take_body(needs_bytes);
}

Intake ServedConnection::take_body(bool& needs_bytes) {
  while (!framing.is_complete() && body.size() < kCollectedBody && !input().empty()) {
    const std::size_t used = body.size();
    // A body byte takes at least one byte of input.
    body.resize(used + std::min<std::size_t>(input().size(), kCollectedBody - used));
    auto step = framing.take(input(), std::span(body).subspan(used));
    if (!step) return reject({step.error().code() == Code::kTooLarge ? 413 : 400, "malformed chunked body"});
    body.resize(used + step->produced);
    consume(step->consumed);
  }
  if (framing.is_complete() || body.size() >= kCollectedBody) {
    phase = Phase::kRequest;
    return complete();
  }
  needs_bytes = true;
  return wait_for(net::IoState::kWantRead);
}

bool ServedConnection::can_finish_request() const {
  if (framing.is_complete()) return true;
  return framing.plain_bytes() > 0 && framing.plain_bytes() <= input().size();
}

bool ServedConnection::finish_request() {
  char sink[4096];
  while (!framing.is_complete()) {
    if (input().empty()) return false;
    auto step = framing.take(input(), sink);
    if (!step) return false;
    consume(step->consumed);
    wipe(std::span(sink).first(step->produced));
  }
  phase = Phase::kHead;
  has_served = true;
  wipe(body);
  scanner_.reset();
  return true;
}

}  // namespace dynflow::http
