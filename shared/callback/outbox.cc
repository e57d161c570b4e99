#include "shared/callback/outbox.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "shared/base/thread.h"
#include "shared/base/urgency.h"
#include "shared/log/log.h"

namespace dynflow::callback {
namespace {

using persistence::OutboxRecord;
using persistence::WriteBatch;

constexpr std::size_t kLoadAhead = 400;           // entries fetched at once
constexpr std::chrono::seconds kLongestWait{60};  // between two looks at the clock

// An entry and what it says.
struct Delivery {
  OutboxRecord entry;
  std::string data;
};
using Deliveries = std::vector<Delivery>;

// True when an error says nothing about the entries of the request.
bool is_outage(Code code) {
  return code == Code::kUnavailable || code == Code::kTimeout || code == Code::kForbidden || code == Code::kNotFound ||
         code == Code::kClosed || code == Code::kBusy;
}

void entry_to(std::string& out, const Delivery& one) {
  out += R"({"callback":)";
  out += one.entry.callback;
  out += R"(,"data":)";
  out += one.data;
  out += '}';
}

// Source of both forms: smart_proxy_dynflow v0.9.4, lib/smart_proxy_dynflow/action/batch_callback.rb and callback.rb.
std::string body_of(const Delivery* first, const Delivery* last) {
  std::string body;
  if (last - first == 1) {
    entry_to(body, *first);
    return body;
  }
  body = R"({"callbacks":[)";
  for (const Delivery* one = first; one != last; ++one) {
    if (one != first) body += ',';
    entry_to(body, *one);
  }
  body += "]}";
  return body;
}

std::chrono::seconds doubled(std::chrono::seconds first, int times, std::chrono::seconds most) {
  return times >= 20 ? most : std::min(most, first * (1 << std::max(0, times)));
}

}  // namespace

class Outbox::Impl : public std::enable_shared_from_this<Outbox::Impl> {
 public:
  Impl(persistence::Store& store, ForemanClient& client, DataOf data_of, OutboxOptions options, const Clock& clock)
      : store_(store), client_(client), data_of_(std::move(data_of)), options_(options), clock_(clock) {}

  void start();
  void stop(Deadline drain);
  void wake();
  OutboxNumbers numbers() {
    const std::lock_guard lock(mutex_);
    OutboxNumbers now = numbers_;
    now.is_foreman_away = outages_ > 0;
    return now;
  }

 private:
  using Lock = std::unique_lock<std::mutex>;

  void work();
  // Waits for something to do. Nothing: stop.
  std::optional<std::vector<OutboxRecord>> next_entries();
  void wait(Lock& lock);
  void load(Lock& lock);
  std::vector<OutboxRecord> take_ready();

  void deliver(std::vector<OutboxRecord> entries);
  Deliveries compose(std::vector<OutboxRecord> entries);
  void post(const Delivery* first, const Delivery* last);
  void delivered(const Delivery* first, const Delivery* last);
  void missed(const Delivery* first, const Delivery* last, const Error& error);
  void refused(OutboxRecord entry, const Error& error);
  void give_back(std::vector<OutboxRecord> entries);
  void begin_outage(const Error& error);
  void end_outage();
  // Writes rows; the entries are free for another try when that is done.
  void write(WriteBatch batch, std::vector<std::string> ids);
  bool is_out();
  template <class Change>
  void count(Change change) {
    const std::lock_guard lock(mutex_);
    change(numbers_);
  }
  // Nothing goes out now that could: all that was due is done with, or Foreman is away.
  bool is_at_rest() const { return (busy_.empty() && !may_be_more_ && !is_loading_) || outages_ > 0; }

  persistence::Store& store_;
  ForemanClient& client_;
  const DataOf data_of_;
  const OutboxOptions options_;
  const Clock& clock_;
  std::vector<NamedThread> threads_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::condition_variable rested_;            // is_at_rest() may have become true
  std::deque<OutboxRecord> ready_;            // loaded and not taken
  // Loaded, and not done with: in ready_, being sent, being written. With the version that was loaded.
  std::unordered_map<std::string, std::int64_t> busy_;
  std::unordered_set<std::string> replaced_;  // of busy_: another version was seen in the store
  std::unordered_set<std::string> suspects_;  // were refused alone: never put into a request with others
  std::unordered_map<std::string, std::int64_t> sent_;  // versions that were delivered, and their rows not deleted yet
  bool is_running_ = false;
  bool may_be_more_ = true;                   // the store may have due entries that are not in busy_
  bool is_loading_ = false;
  std::unordered_set<std::string> done_while_loading_;  // what was read of them may be out of date
  std::optional<Time> next_look_;             // when another entry becomes due
  int outages_ = 0;                           // looks in a row that found Foreman down
  Instant outage_until_{};
  bool is_probing_ = false;
  OutboxNumbers numbers_;
};

void Outbox::Impl::start() {
  {
    const std::lock_guard lock(mutex_);
    if (is_running_) return;
    is_running_ = true;
  }
  for (std::size_t i = 0; i < options_.connections; ++i) {
    threads_.emplace_back("outbox-" + std::to_string(i), [this] {
      give_way();
      work();
    });
  }
}

void Outbox::Impl::stop(Deadline drain) {
  {
    Lock lock(mutex_);
    if (is_running_) rested_.wait_for(lock, drain.left(), [this] { return is_at_rest(); });
    is_running_ = false;
  }
  client_.close();
  changed_.notify_all();
  threads_.clear();
}

void Outbox::Impl::wake() {
  {
    const std::lock_guard lock(mutex_);
    may_be_more_ = true;
  }
  changed_.notify_one();
}

void Outbox::Impl::work() {
  while (auto entries = next_entries()) deliver(std::move(*entries));
}

std::optional<std::vector<OutboxRecord>> Outbox::Impl::next_entries() {
  Lock lock(mutex_);
  while (is_running_) {
    const bool is_held_up = outages_ > 0 && (is_probing_ || clock_.instant() < outage_until_);
    if (next_look_ && clock_.now() >= *next_look_) {
      next_look_.reset();
      may_be_more_ = true;
    }
    if (is_held_up) {
      wait(lock);
    } else if (!ready_.empty()) {
      is_probing_ = outages_ > 0;
      return take_ready();
    } else if (may_be_more_ && !is_loading_) {
      load(lock);
    } else {
      wait(lock);
    }
  }
  return std::nullopt;
}

void Outbox::Impl::wait(Lock& lock) {
  Duration longest = kLongestWait;
  if (outages_ > 0 && !is_probing_) longest = std::min<Duration>(longest, outage_until_ - clock_.instant());
  if (next_look_) longest = std::min<Duration>(longest, *next_look_ - clock_.now());
  changed_.wait_for(lock, std::max<Duration>(longest, std::chrono::milliseconds(1)));
}

void Outbox::Impl::load(Lock& lock) {
  is_loading_ = true;
  may_be_more_ = false;
  std::vector<std::int64_t> under_way;
  under_way.reserve(busy_.size());
  for (const auto& [id, version] : busy_) under_way.push_back(version);
  lock.unlock();
  const Time now = clock_.now();
  auto due = store_.load_due_outbox(now, kLoadAhead, under_way);
  // With entries under way, theirs is the next time, which has passed.
  const bool is_idle = under_way.empty() && due && due->empty();
  auto next = is_idle ? store_.next_outbox_time() : Result<std::optional<Time>>(std::optional<Time>());
  lock.lock();
  is_loading_ = false;
  const auto outdated = std::exchange(done_while_loading_, {});
  if (!due || !next) {
    log::error({}, "callbacks that wait cannot be read: {}", (due ? next.error() : due.error()).message());
    next_look_ = now + options_.first_delay;
    rested_.notify_all();
    return;
  }
  if (due->size() == kLoadAhead) may_be_more_ = true;
  for (OutboxRecord& entry : *due) {
    if (outdated.count(entry.id) > 0) {
      may_be_more_ = true;
      continue;
    }
    const auto [busy, is_new] = busy_.emplace(entry.id, entry.version);
    if (is_new) {
      ready_.push_back(std::move(entry));
    } else if (busy->second != entry.version) {
      replaced_.insert(entry.id);
    }
  }
  rested_.notify_all();
  if (!is_idle || *next) next_look_ = std::max(next->value_or(now), now + std::chrono::seconds(1));
  if (!ready_.empty()) changed_.notify_all();
}

std::vector<OutboxRecord> Outbox::Impl::take_ready() {
  std::vector<OutboxRecord> taken;
  while (!ready_.empty() && taken.size() < options_.max_entries) {
    const bool is_suspect = suspects_.count(ready_.front().id) > 0;
    if (is_suspect && !taken.empty()) break;
    taken.push_back(std::move(ready_.front()));
    ready_.pop_front();
    if (is_suspect) break;
  }
  return taken;
}

void Outbox::Impl::deliver(std::vector<OutboxRecord> entries) {
  const Deliveries all = compose(std::move(entries));
  const Delivery* first = all.data();
  const Delivery* const end = first + all.size();
  while (first != end) {
    std::size_t bytes = first->data.size() + first->entry.callback.size();
    const Delivery* last = first + 1;
    while (last != end && (bytes += last->data.size() + last->entry.callback.size()) <= options_.max_bytes) ++last;
    post(first, last);
    first = last;
  }
  const std::lock_guard lock(mutex_);
  if (is_probing_) {
    is_probing_ = false;
    changed_.notify_all();
  }
}

// Entries without data are dealt with here; the others come back.
Deliveries Outbox::Impl::compose(std::vector<OutboxRecord> entries) {
  Deliveries ready;
  for (OutboxRecord& entry : entries) {
    auto data = data_of_(entry);
    if (data) {
      ready.push_back({std::move(entry), std::move(*data)});
    } else if (data.error().code() == Code::kNotFound || data.error().code() == Code::kCorrupt) {
      entry.is_abandoned = true;
      count([](OutboxNumbers& numbers) { ++numbers.abandoned; });
      entry.last_error = data.error().message();
      log::error({.request_id = entry.request_id, .task_id = entry.plan_id}, "callback given up, there is nothing to report: {}",
                 entry.last_error);
      WriteBatch batch;
      std::string id = entry.id;
      batch.add(WriteBatch::PutOutbox{std::move(entry)});
      write(std::move(batch), {std::move(id)});
    } else {
      refused(std::move(entry), data.error());
    }
  }
  return ready;
}

void Outbox::Impl::post(const Delivery* first, const Delivery* last) {
  if (is_out()) {
    std::vector<OutboxRecord> entries;
    for (const Delivery* one = first; one != last; ++one) entries.push_back(one->entry);
    return give_back(std::move(entries));
  }
  bool was_sent = last - first == 1;
  if (was_sent) {
    const std::lock_guard lock(mutex_);
    const auto sent = sent_.find(first->entry.id);
    was_sent = sent != sent_.end() && sent->second == first->entry.version;
  }
  const Status status = was_sent ? Status() : client_.post(body_of(first, last), first->entry.request_id);
  if (!status && is_outage(status.error().code())) return missed(first, last, status.error());
  end_outage();
  if (status) return delivered(first, last);
  if (last - first == 1) {
    {
      const std::lock_guard lock(mutex_);
      suspects_.insert(first->entry.id);
    }
    return refused(first->entry, status.error());
  }
  // Foreman drops what stands behind an entry that it does not understand. To send the ones before it again does no harm.
  log::info({.request_id = first->entry.request_id}, "Foreman refused {} callbacks in one request, they are sent in parts: {}",
            last - first, status.error().message());
  const Delivery* const middle = first + (last - first) / 2;
  post(first, middle);
  post(middle, last);
}

bool Outbox::Impl::is_out() {
  const std::lock_guard lock(mutex_);
  return !is_running_ || (outages_ > 0 && clock_.instant() < outage_until_);
}

void Outbox::Impl::delivered(const Delivery* first, const Delivery* last) {
  WriteBatch batch;
  std::vector<std::string> ids;
  {
    const std::lock_guard lock(mutex_);
    numbers_.delivered += static_cast<std::uint64_t>(last - first);
    for (const Delivery* one = first; one != last; ++one) {
      sent_.insert_or_assign(one->entry.id, one->entry.version);
      // After a failed delete an entry comes alone, so that it is not sent again.
      suspects_.insert(one->entry.id);
      ids.push_back(one->entry.id);
      batch.add(WriteBatch::DeleteOutbox{one->entry.id, one->entry.version});
    }
  }
  write(std::move(batch), std::move(ids));
}

void Outbox::Impl::missed(const Delivery* first, const Delivery* last, const Error& error) {
  begin_outage(error);
  const Time now = clock_.now();
  std::chrono::seconds delay{};
  {
    const std::lock_guard lock(mutex_);
    if (!is_running_) return;  // it is not Foreman that is away
    ++numbers_.failed_requests;
    delay = doubled(options_.first_delay, outages_ - 1, options_.max_outage_delay);
    next_look_ = std::min(next_look_.value_or(now + delay), now + delay);
  }
  WriteBatch batch;
  std::vector<std::string> ids;
  for (const Delivery* one = first; one != last; ++one) {
    OutboxRecord entry = one->entry;
    ++entry.attempts;
    entry.last_error = error.message();
    entry.next_attempt_at = now + delay;
    entry.is_abandoned = now - entry.created_at >= options_.give_up_after;
    if (entry.is_abandoned) {
      count([](OutboxNumbers& numbers) { ++numbers.abandoned; });
      log::error({.request_id = entry.request_id, .task_id = entry.plan_id}, "callback given up after {} attempts: {}",
                 entry.attempts, entry.last_error);
    }
    ids.push_back(entry.id);
    batch.add(WriteBatch::PutOutbox{std::move(entry)});
  }
  write(std::move(batch), std::move(ids));
}

void Outbox::Impl::refused(OutboxRecord entry, const Error& error) {
  const Time now = clock_.now();
  ++entry.attempts;
  entry.last_error = error.message();
  entry.next_attempt_at = now + doubled(options_.first_delay, entry.attempts - 1, options_.max_delay);
  entry.is_abandoned = now - entry.created_at >= options_.give_up_after;
  const log::Context context{.request_id = entry.request_id, .task_id = entry.plan_id};
  if (entry.is_abandoned) {
    log::error(context, "callback given up after {} attempts: {}", entry.attempts, entry.last_error);
  } else {
    log::warn(context, "callback refused, attempt {}: {}", entry.attempts, entry.last_error);
  }
  {
    const std::lock_guard lock(mutex_);
    ++numbers_.refused;
    if (entry.is_abandoned) ++numbers_.abandoned;
    if (entry.is_abandoned) suspects_.erase(entry.id);
    if (!entry.is_abandoned) next_look_ = std::min(next_look_.value_or(entry.next_attempt_at), entry.next_attempt_at);
  }
  std::vector<std::string> ids{entry.id};
  WriteBatch batch;
  batch.add(WriteBatch::PutOutbox{std::move(entry)});
  write(std::move(batch), std::move(ids));
}

void Outbox::Impl::give_back(std::vector<OutboxRecord> entries) {
  const std::lock_guard lock(mutex_);
  for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) ready_.push_front(std::move(*entry));
  changed_.notify_one();
}

void Outbox::Impl::begin_outage(const Error& error) {
  const std::lock_guard lock(mutex_);
  if (!is_running_) return;
  // Requests that were under way together are one outage.
  if (outages_ > 0 && !is_probing_) return;
  if (outages_ == 0) log::warn({}, "callbacks cannot be delivered, they wait: {}", error.message());
  const auto delay = doubled(options_.first_delay, outages_, options_.max_outage_delay);
  ++outages_;
  is_probing_ = false;
  outage_until_ = clock_.instant() + delay;
  changed_.notify_all();
  rested_.notify_all();
}

void Outbox::Impl::end_outage() {
  const std::lock_guard lock(mutex_);
  if (outages_ == 0) return;
  outages_ = 0;
  is_probing_ = false;
  log::info({}, "Foreman takes callbacks again");
  changed_.notify_all();
}

void Outbox::Impl::write(WriteBatch batch, std::vector<std::string> ids) {
  store_.submit(std::move(batch), persistence::Durability::kFull,
                [self = shared_from_this(), ids = std::move(ids)](const Status& status) {
                  if (!status && status.error().code() != Code::kClosed) {
                    log::error({}, "the outbox cannot be written, callbacks wait: {}", status.error().message());
                    self->begin_outage(status.error());
                  }
                  {
                    const std::lock_guard lock(self->mutex_);
                    for (const std::string& id : ids) {
                      self->busy_.erase(id);
                      if (self->replaced_.erase(id) > 0) self->may_be_more_ = true;
                      if (self->is_loading_) self->done_while_loading_.insert(id);
                      if (status && self->sent_.erase(id) > 0) self->suspects_.erase(id);
                    }
                    if (!status) self->may_be_more_ = true;
                  }
                  self->changed_.notify_one();
                  self->rested_.notify_all();
                });
}

Outbox::Outbox(persistence::Store& store, ForemanClient& client, DataOf data_of, OutboxOptions options, const Clock& clock)
    : impl_(std::make_shared<Impl>(store, client, std::move(data_of), options, clock)) {}
Outbox::~Outbox() { stop(); }
void Outbox::start() { impl_->start(); }
void Outbox::stop(Deadline drain) { impl_->stop(drain); }
OutboxNumbers Outbox::numbers() const { return impl_->numbers(); }
void Outbox::wake() { impl_->wake(); }

}  // namespace dynflow::callback
