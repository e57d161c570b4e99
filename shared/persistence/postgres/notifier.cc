#include "shared/persistence/postgres/notifier.h"

#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <utility>

#include "shared/log/log.h"

namespace dynflow::persistence::postgres {
namespace {

constexpr std::chrono::seconds kConnectTime{10};
constexpr std::chrono::seconds kLongestSilence{15};
constexpr std::chrono::milliseconds kFirstPause{100};
constexpr std::chrono::seconds kLongestPause{5};

const std::string kSetup = "SELECT set_config('statement_timeout', '10s', false)";

}  // namespace

Notifier::Notifier(const ServerUrl& url) : url_(url), stop_fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

void Notifier::set_wake(std::function<void()> wake) {
  const std::lock_guard lock(mutex_);
  wake_ = std::move(wake);
}

void Notifier::set_world(const std::string& world) {
  const std::lock_guard lock(mutex_);
  world_ = world;
}

void Notifier::start() {
  if (thread_.is_running()) return;
  eventfd_t stopped = 0;
  static_cast<void>(::eventfd_read(stop_fd_.get(), &stopped));  // fails when nobody has called stop()
  thread_ = NamedThread("store-listen", [this] { run(); });
}

void Notifier::stop() {
  static_cast<void>(::eventfd_write(stop_fd_.get(), 1));
  thread_.join();
}

void Notifier::run() {
  Duration pause = kFirstPause;
  while (true) {
    Result<Connection> connection = connect();
    if (connection.ok()) {
      pause = kFirstPause;
      wake();  // for what was missed meanwhile
      const Status heard = listen(*connection);
      if (heard.ok()) return;
      log::info({}, "the database's messages are not heard: {}", heard.error().message());
    }
    if (!sleep(pause)) return;
    pause = std::min<Duration>(pause * 2, kLongestPause);
    wake();
  }
}

Result<Connection> Notifier::connect() {
  const Instant deadline = std::chrono::steady_clock::now() + kConnectTime;
  Result<Connection> made = Connection::open(url_, kSetup, deadline);
  if (!made.ok()) return made;
  made->queue_text("SELECT quote_ident('dynflow:' || current_schema())");
  const auto channel = made->run(deadline);
  if (!channel.ok()) return channel.error();
  made->queue_text("LISTEN " + channel->front().string(0, 0));
  if (const auto done = made->run(deadline); !done.ok()) return done.error();
  return made;
}

Status Notifier::listen(Connection& connection) {
  while (true) {
    const auto heard =
        connection.wait_for_notifications(stop_fd_.get(), std::chrono::steady_clock::now() + kLongestSilence);
    if (!heard.ok()) return heard.error();
    if (!sleep(Duration::zero())) return {};
    const bool is_silent = heard->empty();
    const bool is_told = std::any_of(heard->begin(), heard->end(), [this](const auto& one) { return concerns_us(one); });
    if (is_silent || is_told) wake();
  }
}

bool Notifier::concerns_us(const Connection::Notification& notification) {
  const int ignored = ignored_.load();
  if (ignored != 0 && notification.sender == ignored) return false;
  const std::lock_guard lock(mutex_);
  return notification.payload == "*" || notification.payload == world_;
}

void Notifier::wake() {
  std::function<void()> wake;
  {
    const std::lock_guard lock(mutex_);
    wake = wake_;
  }
  if (wake) wake();
}

bool Notifier::sleep(Duration duration) const {
  const auto milliseconds = std::chrono::ceil<std::chrono::milliseconds>(duration).count();
  pollfd entry{stop_fd_.get(), POLLIN, 0};
  return ::poll(&entry, 1, static_cast<int>(milliseconds)) <= 0;
}

}  // namespace dynflow::persistence::postgres
