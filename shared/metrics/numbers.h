// Numbers that a part of the program keeps of itself, for whoever asks (text.h writes them for Prometheus). To count costs an atomic
// addition; nothing is registered anywhere.
//
// Threads: everything may be called from any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

#include "shared/base/clock.h"

namespace dynflow::metrics {

// Only grows.
class Counter {
 public:
  void add(std::uint64_t number = 1) { value_.fetch_add(number, std::memory_order_relaxed); }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

// Upper bounds of buckets, in seconds: for what should take milliseconds, and for jobs.
inline constexpr std::array<double, 13> kQuick{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};
inline constexpr std::array<double, 10> kLong{0.01, 0.1, 1, 5, 30, 60, 300, 1800, 7200, 43200};

// How long things took.
class Histogram {
 public:
  static constexpr std::size_t kMostBounds = 15;

  // `bounds`: ascending, at most kMostBounds; they outlive the object.
  explicit Histogram(std::span<const double> bounds) : bounds_(bounds) {}

  void observe(double seconds);
  void observe(Duration duration) { observe(to_seconds(duration)); }

  struct View {
    std::vector<std::uint64_t> below;  // how many were at most as long as each bound
    std::uint64_t count = 0;
    double sum = 0;  // seconds
  };
  View view() const;
  std::span<const double> bounds() const { return bounds_; }

 private:
  const std::span<const double> bounds_;
  std::array<std::atomic<std::uint64_t>, kMostBounds + 1> buckets_{};  // the last one: longer than every bound
  std::atomic<std::uint64_t> nanoseconds_{0};
};

}  // namespace dynflow::metrics
