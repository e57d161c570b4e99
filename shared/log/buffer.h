// The last records in memory, for the proxy's /logs route: a main ring, and a tail ring that keeps errors longer
// (smart-proxy 3.11, lib/proxy/log_buffer/buffer.rb).
//
// Threads: all methods may be called from any thread.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "shared/base/clock.h"
#include "shared/base/result.h"
#include "shared/log/log.h"

namespace dynflow::log {

class Buffer {
 public:
  struct Record {
    Time time;
    Level level = Level::kInfo;
    std::string message;     // valid UTF-8, at most kLongestText and a mark that something was cut
    std::string backtrace;   // empty: none; same limit
    std::string request_id;  // its first 8 characters; empty: none
  };
  struct Info {
    std::size_t size;
    std::size_t tail_size;
    std::map<std::string, std::string> failed_modules;
  };
  static constexpr Level kTailLevel = Level::kError;
  static constexpr std::size_t kLongestText = 8192;

  // kInvalid: a size of 0 or 1, which upstream refuses too.
  static Result<std::shared_ptr<Buffer>> create(std::size_t size = 2000, std::size_t tail_size = 1000);

  // Takes the oldest record out when full; one of kTailLevel or above moves to the tail.
  void push(Record record);

  // Tail, then main, oldest first; only records at or after `from`.
  std::vector<Record> records(Time from = Time::min()) const;
  Info info() const;

  // The reason why a module did not start; the last one wins.
  void set_failed_module(const std::string& name, const std::string& reason);
  // The module works again (reload).
  void clear_failed_module(const std::string& name);

 private:
  class Ring {
   public:
    explicit Ring(std::size_t size) : size_(size) {}
    // What had to go.
    std::unique_ptr<Record> push(Record record);
    void append_to(std::vector<Record>& out, Time from) const;
    std::size_t size() const { return size_; }

   private:
    std::size_t size_;
    std::size_t oldest_ = 0;  // index of the oldest record once full
    std::vector<Record> records_;
  };

  Buffer(std::size_t size, std::size_t tail_size) : main_(size), tail_(tail_size) {}

  mutable std::mutex mutex_;
  Ring main_;
  Ring tail_;
  std::map<std::string, std::string> failed_modules_;
};

}  // namespace dynflow::log
