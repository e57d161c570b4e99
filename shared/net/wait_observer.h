// Tells whoever runs a thread that the thread is about to wait for the network, so that another one can do its work
// meanwhile. Connection's blocking calls say so; a thread without observer just waits.
//
// Threads: an observer belongs to the thread that holds its Scope and is called on it.
#pragma once

namespace dynflow::net {

class WaitObserver {
 public:
  virtual ~WaitObserver() = default;
  virtual void before_wait() = 0;
  virtual void after_wait() = 0;

  // Makes `observer` the calling thread's. It must outlive the scope.
  class Scope {
   public:
    explicit Scope(WaitObserver& observer) { current_ = &observer; }
    ~Scope() { current_ = nullptr; }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
  };

  // Around one wait.
  class Wait {
   public:
    Wait() : observer_(current_) {
      if (observer_ != nullptr) observer_->before_wait();
    }
    ~Wait() {
      if (observer_ != nullptr) observer_->after_wait();
    }
    Wait(const Wait&) = delete;
    Wait& operator=(const Wait&) = delete;

   private:
    WaitObserver* observer_;
  };

 private:
  static inline thread_local WaitObserver* current_ = nullptr;
};

}  // namespace dynflow::net
