#include "shared/net/resolver.h"

#include <memory>
#include <optional>

#include "shared/net/address_list.h"

namespace dynflow::net {
namespace {

constexpr std::size_t kMaxQueue = 256;

Result<std::vector<Endpoint>> forward(const std::string& name, std::uint16_t port, int flags) {
  auto list = look_up(name, port, flags);
  if (!list) return list.error();
  std::vector<Endpoint> endpoints;
  for (const addrinfo* a = list->get(); a != nullptr; a = a->ai_next) endpoints.push_back(endpoint_of(a->ai_addr));
  return endpoints;
}

Result<std::string> reverse(const std::string& address) {
  auto list = look_up(address, 0, AI_NUMERICHOST);
  if (!list) return Error(Code::kInvalid, list.error().message());
  char name[NI_MAXHOST] = "";
  const int rc = getnameinfo((*list)->ai_addr, (*list)->ai_addrlen, name, sizeof name, nullptr, 0, NI_NAMEREQD);
  if (rc != 0) return lookup_error(address, rc);
  return std::string(name);
}

// The answer of one lookup. Shared by the caller, who may give up, and the thread that looks up.
template <class T>
struct Pending {
  std::mutex mutex;
  std::condition_variable done;
  std::optional<Result<T>> answer;
};

}  // namespace

bool is_address(const std::string& text) { return look_up(text, 0, AI_NUMERICHOST).ok(); }

template <class T>
Result<T> Resolver::run(std::function<Result<T>()> lookup, Deadline deadline) {
  auto pending = std::make_shared<Pending<T>>();
  auto queued = enqueue([pending, lookup = std::move(lookup)] {
    auto answer = lookup();
    const std::lock_guard lock(pending->mutex);
    pending->answer = std::move(answer);
    pending->done.notify_one();
  });
  if (!queued) return queued.error();
  std::unique_lock lock(pending->mutex);
  if (!pending->done.wait_until(lock, deadline.when(), [&] { return pending->answer.has_value(); })) {
    return Error(Code::kTimeout, "no answer from the name servers in time");
  }
  return std::move(*pending->answer);
}

Result<std::vector<Endpoint>> Resolver::addresses_of(const std::string& name, std::uint16_t port, Deadline deadline) {
  if (auto numeric = forward(name, port, AI_NUMERICHOST); numeric) return numeric;
  return run<std::vector<Endpoint>>([name, port] { return forward(name, port, 0); }, deadline);
}

Result<std::string> Resolver::name_of(const std::string& address, Deadline deadline) {
  return run<std::string>([address] { return reverse(address); }, deadline);
}

Status Resolver::enqueue(std::function<void()> job) {
  const std::lock_guard lock(mutex_);
  if (queue_.size() >= kMaxQueue) return Error(Code::kBusy, "too many name lookups at once");
  queue_.push_back(std::move(job));
  if (queue_.size() > waiting_ && threads_.size() < max_threads_) {
    threads_.emplace_back("resolver", [this] { work(); });
  }
  changed_.notify_one();
  return {};
}

void Resolver::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    while (queue_.empty()) {
      if (has_stopped_) return;
      ++waiting_;
      changed_.wait(lock);
      --waiting_;
    }
    const auto job = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    job();
    lock.lock();
  }
}

Resolver::~Resolver() {
  {
    const std::lock_guard lock(mutex_);
    has_stopped_ = true;
    queue_.clear();
  }
  changed_.notify_all();
  for (NamedThread& thread : threads_) thread.join();
}

}  // namespace dynflow::net
