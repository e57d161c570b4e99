#include "proxy/host/logs_document.h"

#include <catch2/catch.hpp>

using namespace dynflow;
using namespace dynflow::proxy;

namespace {

log::Buffer::Record record(double seconds, log::Level level, std::string message, std::string request_id = "") {
  log::Buffer::Record out;
  out.time = from_unix_seconds(seconds);
  out.level = level;
  out.message = std::move(message);
  out.request_id = std::move(request_id);
  return out;
}

}  // namespace

TEST_CASE("/logs has upstream's shape", "[logs_document]") {
  const auto buffer = *log::Buffer::create(2000, 1000);
  buffer->push(record(1795330345.5, log::Level::kWarn, "first"));
  buffer->push(record(1795330346.25, log::Level::kError, "second", "abcdef01"));
  buffer->set_failed_module("dynflow", "no library");
  CHECK(logs_document(*buffer, Time{}) ==
        R"({"info":{"size":2000,"tail_size":1000,"level":null,"level_tail":3,"failed_modules":{"dynflow":"no library"}},)"
        R"("logs":[{"timestamp":1795330345.5,"level":"WARN","message":"first"},)"
        R"({"timestamp":1795330346.25,"level":"ERROR","message":"second","request_id":"abcdef01"}]})");
}

TEST_CASE("/logs from a time on includes that time", "[logs_document]") {
  const auto buffer = *log::Buffer::create(10, 10);
  buffer->push(record(100.5, log::Level::kInfo, "old"));
  buffer->push(record(101.5, log::Level::kInfo, "new"));
  const std::string document = logs_document(*buffer, parse_from_timestamp("101.5"));
  CHECK(document.find("new") != std::string::npos);
  CHECK(document.find("old") == std::string::npos);
}

TEST_CASE("what is no number means everything", "[logs_document]") {
  for (const char* text : {"", "x", "-1", "nan", "inf", "0"}) {
    INFO(text);
    CHECK(parse_from_timestamp(text) == Time{});
  }
  CHECK(parse_from_timestamp("1e300") > parse_from_timestamp("1795330345.5"));
  CHECK(to_unix_seconds(parse_from_timestamp("1795330345.5 and more")) == Approx(1795330345.5));
}
