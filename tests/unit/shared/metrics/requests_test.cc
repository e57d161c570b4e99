#include "shared/metrics/requests.h"

#include <catch2/catch.hpp>

#include "shared/metrics/process.h"

using namespace dynflow::metrics;
using namespace std::chrono_literals;

namespace {

bool has(const std::string& text, std::string_view line) { return text.find(std::string(line) + '\n') != std::string::npos; }

}  // namespace

TEST_CASE("requests are counted by module, method and status, and clients make up no labels") {
  Requests requests;
  requests.note("dynflow", "GET", 200, 2ms);
  requests.note("dynflow", "GET", 200, 2ms);
  requests.note("dynflow", "POST", 503, 20s);
  for (const char* method : {"PROPFIND", "BREW", "x\"}"}) requests.note("host", method, 404, 0ms);
  Text out;
  requests.write(out, {7, 1, 1024, 2, 16, 5});
  const std::string text = out.take();
  CHECK(has(text, R"(smart_proxy_http_requests_total{module="dynflow",method="GET",status="200"} 2)"));
  CHECK(has(text, R"(smart_proxy_http_requests_total{module="dynflow",method="POST",status="503"} 1)"));
  CHECK(has(text, R"(smart_proxy_http_requests_total{module="host",method="other",status="404"} 3)"));
  CHECK(has(text, R"(smart_proxy_http_request_duration_seconds_bucket{module="dynflow",le="0.0025"} 2)"));
  CHECK(has(text, R"(smart_proxy_http_request_duration_seconds_count{module="dynflow"} 3)"));
  CHECK(has(text, "smart_proxy_http_connections 7"));
  CHECK(has(text, "smart_proxy_http_queue_capacity 1024"));
  CHECK(has(text, "smart_proxy_http_queue_refused_total 5"));
}

TEST_CASE("the process tells about itself") {
  Text out;
  write_process(out);
  const std::string text = out.take();
  for (const char* name : {"process_cpu_seconds_total ", "process_resident_memory_bytes ", "process_open_fds ", "process_max_fds ", "process_threads ",
                           "process_start_time_seconds "}) {
    CAPTURE(name);
    CHECK(text.find(std::string("\n") + name) != std::string::npos);
  }
}
