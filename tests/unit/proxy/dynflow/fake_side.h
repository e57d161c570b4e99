// A side that a test plays: the routes of a core over a few tasks in memory.
//
// Threads: all methods may be called from any thread.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "proxy/dynflow/backend.h"

namespace dynflow::proxy::test {

class FakeSide final : public Backend {
 public:
  // `has_ruby`: without the routes that only ours have, and with 500 for a launch of ids that it has.
  explicit FakeSide(std::string its_name, bool has_ruby = false) : name(std::move(its_name)), is_ruby(has_ruby) {}

  Status start() override { return {}; }
  void stop(Deadline) override { is_stopped = true; }
  void interrupt() override {}
  http::Response handle(http::Request& request, std::string_view path) override { return answer(request, path, kMount); }
  http::Response answer(http::Request& request, std::string_view path, std::string_view mount) override;
  std::vector<std::string> operations() const override { return {name}; }
  std::vector<core::FeatureInfo> features() const override { return {}; }
  std::vector<core::FailedPlugin> failed_plugins() const override { return {}; }

  void set(const std::string& id, const std::string& state);
  // What was launched here, in order, each time.
  std::vector<std::string> launched() const;
  // "METHOD path" of what is about one task or the console.
  std::vector<std::string> asked() const;

  // Called before tasks of a state are counted: what happens meanwhile.
  std::function<void(const std::string& state)> before_count;

  const std::string name;
  const bool is_ruby;
  std::atomic<bool> is_away{false};
  std::atomic<bool> talks_nonsense{false};
  std::atomic<bool> is_stopped{false};
  std::atomic<int> callbacks{0};
  std::atomic<int> depth{0};                 // of something in each document of a bulk answer
  std::atomic<bool> breaks_off{false};       // launches happen, and their answers end in the middle
  std::atomic<bool> makes_ids{false};        // of its own, as old cores do: "uuid-<id>"
  std::atomic<bool> streams{false};          // answers to launches come bit by bit, as long ones do

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::string> tasks_;
  std::vector<std::string> launched_;
  std::vector<std::string> asked_;
};

}  // namespace dynflow::proxy::test
