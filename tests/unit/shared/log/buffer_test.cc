#include "shared/log/buffer.h"

#include <catch2/catch.hpp>

namespace dynflow::log {
namespace {

Buffer::Record record(Level level, std::string message, int second = 0) {
  return {Time(std::chrono::seconds(second)), level, std::move(message), {}, "12345678"};
}

std::string texts(const std::vector<Buffer::Record>& records) {
  std::string out;
  for (const auto& each : records) out += each.message + " ";
  return out;
}

TEST_CASE("sizes of 0 and 1 are refused") {
  CHECK_FALSE(Buffer::create(1, 10).ok());
  CHECK_FALSE(Buffer::create(10, 0).ok());
  CHECK(Buffer::create(2, 2).ok());
}

TEST_CASE("errors that leave the main ring stay in the tail") {
  const auto buffer = Buffer::create(3, 2).value();
  buffer->push(record(Level::kError, "e1"));
  buffer->push(record(Level::kWarn, "w1"));
  buffer->push(record(Level::kFatal, "f1"));
  CHECK(texts(buffer->records()) == "e1 w1 f1 ");
  buffer->push(record(Level::kInfo, "i1"));
  buffer->push(record(Level::kInfo, "i2"));
  CHECK(texts(buffer->records()) == "e1 f1 i1 i2 ");
  buffer->push(record(Level::kError, "e2"));
  CHECK(texts(buffer->records()) == "e1 f1 i1 i2 e2 ");
  for (const char* name : {"a", "b", "c"}) buffer->push(record(Level::kInfo, name));
  CHECK(texts(buffer->records()) == "f1 e2 a b c ");
}

TEST_CASE("records from a time on, that time included") {
  const auto buffer = Buffer::create(5, 5).value();
  for (int second = 1; second <= 3; ++second) buffer->push(record(Level::kInfo, std::to_string(second), second));
  CHECK(texts(buffer->records(Time(std::chrono::seconds(2)))) == "2 3 ");
  CHECK(buffer->records(Time(std::chrono::seconds(4))).empty());
}

TEST_CASE("a record takes bounded room") {
  const auto buffer = Buffer::create(2, 2).value();
  buffer->push(record(Level::kInfo, std::string(1'000'000, 'x')));
  CHECK(buffer->records()[0].message.size() < Buffer::kLongestText + 100);
}

TEST_CASE("failed modules are remembered until they work again") {
  const auto buffer = Buffer::create(2, 4).value();
  buffer->set_failed_module("dynflow", "first");
  buffer->set_failed_module("dynflow", "second");
  CHECK(buffer->info().size == 2);
  CHECK(buffer->info().tail_size == 4);
  CHECK(buffer->info().failed_modules == std::map<std::string, std::string>{{"dynflow", "second"}});
  buffer->clear_failed_module("dynflow");
  CHECK(buffer->info().failed_modules.empty());
}

}  // namespace
}  // namespace dynflow::log
