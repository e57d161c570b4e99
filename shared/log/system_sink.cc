#include "shared/log/system_sink.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "shared/log/text.h"

namespace dynflow::log {
namespace {

using namespace std::chrono_literals;

// How often a daemon that takes nothing, or is not there, is tried again.
constexpr Duration kBetweenTries = 100ms;

int severity_of(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::critical: return LOG_CRIT;
    case spdlog::level::err: return LOG_ERR;
    case spdlog::level::warn: return LOG_WARNING;
    case spdlog::level::info: return LOG_INFO;
    default: return LOG_DEBUG;
  }
}

// "Nov  3 07:02:23", in English whatever the locale (RFC 3164 section 4.1.2).
std::string syslog_time(Time now) {
  constexpr std::array<std::string_view, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  std::tm parts{};
  localtime_r(&seconds, &parts);
  return fmt::format("{} {:2} {:02}:{:02}:{:02}", kMonths.at(static_cast<std::size_t>(parts.tm_mon)), parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
}

// A field of the journal's protocol; a value with line ends has its length in front.
void add_field(std::string& out, std::string_view name, std::string_view value) {
  out += name;
  if (value.find('\n') == std::string_view::npos) {
    out += '=';
  } else {
    out += '\n';
    for (unsigned shift = 0; shift < 64; shift += 8) out += static_cast<char>((value.size() >> shift) & 0xff);
  }
  out += value;
  out += '\n';
}

}  // namespace

SystemSink::SystemSink(Options options) : options_(std::move(options)) {}

SystemSink::~SystemSink() { finish(Deadline::after(Duration::zero())); }

std::uint64_t SystemSink::finish(Deadline deadline) {
  std::uint64_t lost = 0;
  {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, deadline.left(), [this] { return is_ending_ || (waiting_.empty() && lost_ == 0); });
    lost = lost_ + waiting_.size();
    is_ending_ = true;
  }
  changed_.notify_all();
  thread_.join();
  return lost;
}

void SystemSink::sink_it_(const spdlog::details::log_msg& message) {
  std::string record = datagram(message.level, {message.payload.data(), message.payload.size()});
  Sent sent = Sent::kLater;
  if (waiting_.empty() && lost_ == 0) sent = send(record);
  if (sent == Sent::kYes) return;
  if (lost_ > 0 || is_ending_ || waiting_bytes_ + record.size() > options_.most_waiting) {
    ++lost_;
  } else {
    waiting_bytes_ += record.size();
    waiting_.push_back(std::move(record));
  }
  if (!is_ending_ && !thread_.is_running()) thread_ = NamedThread("log", [this] { work(); });
  changed_.notify_all();
  if (sent == Sent::kNobodyThere) spdlog::throw_spdlog_ex(options_.socket, ENOTCONN);
}

std::string SystemSink::datagram(spdlog::level::level_enum level, std::string_view text) const {
  const std::string cut = cut_text(std::string(text), kLongestRecord);
  if (options_.protocol == Protocol::kSyslog) {
    return fmt::format("<{}>{} {}[{}]: {}", LOG_LOCAL5 | severity_of(level), syslog_time(options_.clock->now()), options_.program, ::getpid(), cut);
  }
  std::string out;
  add_field(out, "MESSAGE", cut);
  add_field(out, "PRIORITY", fmt::to_string(severity_of(level)));
  add_field(out, "SYSLOG_FACILITY", fmt::to_string(LOG_LOCAL5 >> 3));
  add_field(out, "SYSLOG_IDENTIFIER", options_.program);
  return out;
}

bool SystemSink::connect() {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (options_.socket.size() >= sizeof address.sun_path) return false;
  std::memcpy(address.sun_path, options_.socket.data(), options_.socket.size());
  fd_ = Fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd_) return false;
  // A datagram socket's connect does not wait for anybody.
  if (::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) fd_.reset();
  return static_cast<bool>(fd_);
}

SystemSink::Sent SystemSink::send(const std::string& datagram) {
  // A daemon that was started anew has another socket at the same place.
  for (int tries = 0; tries < 2; ++tries) {
    if (!fd_ && !connect()) return Sent::kNobodyThere;
    if (::send(fd_.get(), datagram.data(), datagram.size(), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return Sent::kYes;
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS || errno == EINTR) return Sent::kLater;
    if (errno == EMSGSIZE) {
      // The system allows less than any usual one: this record can never be sent.
      ++lost_;
      return Sent::kYes;
    }
    fd_.reset();
  }
  return Sent::kNobodyThere;
}

bool SystemSink::send_what_waits() {
  bool has_sent = false;
  while (!waiting_.empty()) {
    if (send(waiting_.front()) != Sent::kYes) return has_sent;
    has_sent = true;
    waiting_bytes_ -= waiting_.front().size();
    waiting_.pop_front();
  }
  const std::string loss = datagram(spdlog::level::warn, fmt::format("{} log records were lost here: the system's log took none", lost_));
  if (lost_ == 0 || send(loss) != Sent::kYes) return has_sent;
  lost_ = 0;
  return true;
}

void SystemSink::work() {
  std::unique_lock lock(mutex_);
  while (!is_ending_) {
    if (waiting_.empty() && lost_ == 0) {
      changed_.wait(lock, [this] { return is_ending_ || !waiting_.empty() || lost_ > 0; });
      continue;
    }
    const bool has_sent = send_what_waits();
    if (waiting_.empty() && lost_ == 0) {
      changed_.notify_all();
    } else if (has_sent && fd_) {
      // Without the lock: whoever logs adds to the queue meanwhile, and leaves the socket alone.
      pollfd one{fd_.get(), POLLOUT, 0};
      lock.unlock();
      ::poll(&one, 1, Deadline::after(kBetweenTries).left_ms());
      lock.lock();
    } else {
      changed_.wait_for(lock, kBetweenTries, [this] { return is_ending_; });
    }
  }
}

}  // namespace dynflow::log
