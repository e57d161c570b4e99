#include "shared/executors/remote_execution/background.h"

#include <exception>

#include "shared/log/log.h"

namespace dynflow::remote_execution {

void ReturnPath::post(std::function<void()> task) {
  std::lock_guard lock(mutex_);
  if (loop_ != nullptr) loop_->post(std::move(task));
}

void ReturnPath::cut() {
  std::lock_guard lock(mutex_);
  loop_ = nullptr;
}

bool ReturnPath::is_cut() {
  std::lock_guard lock(mutex_);
  return loop_ == nullptr;
}

void Background::run(std::function<void()> work) {
  std::lock_guard lock(mutex_);
  if (is_stopping_) return;
  work_.push_back(std::move(work));
  if (idle_ < work_.size() && threads_.size() < wanted_) {
    threads_.emplace_back("rex-lookup", [this] { serve(); });
  }
  changed_.notify_one();
}

void Background::stop() {
  std::vector<NamedThread> threads;
  {
    std::lock_guard lock(mutex_);
    is_stopping_ = true;
    work_.clear();
    threads.swap(threads_);
    changed_.notify_all();
  }
}

void Background::serve() {
  std::unique_lock lock(mutex_);
  while (true) {
    ++idle_;
    changed_.wait(lock, [this] { return is_stopping_ || !work_.empty(); });
    --idle_;
    if (is_stopping_) return;
    const std::function<void()> work = std::move(work_.front());
    work_.pop_front();
    lock.unlock();
    try {
      work();
    } catch (const std::exception& e) {
      log::error({}, "a background task of the script executor failed: {}", e.what());
    }
    lock.lock();
  }
}

}  // namespace dynflow::remote_execution
