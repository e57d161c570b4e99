// What a host shows to send update and done. The first line is the target, the second the Authorization field.
#include "proxy/dynflow/task_token.h"
#include "shared/base/base64.h"
#include "tests/fuzz/target.h"

using namespace dynflow;

void fuzz(std::string_view bytes) {
  const auto line = bytes.find('\n');
  const std::string_view target = bytes.substr(0, line);
  http::Request request;
  request.method = "POST";
  if (line != std::string_view::npos) request.headers.add("Authorization", std::string(bytes.substr(line + 1)));

  const auto verdict = proxy::judge_token(request, target);
  if (verdict == proxy::TokenVerdict::kPlausible) {
    // Only these two routes open, and only for the task that is named in the field.
    fuzz_check(target.substr(0, 7) == "/tasks/");
    const std::string_view path = target.substr(0, target.find('?'));
    const auto slash = path.rfind('/');
    fuzz_check(path.substr(slash) == "/update" || path.substr(slash) == "/done");
    const std::string id(path.substr(7, slash - 7));
    fuzz_check(id.find('/') == std::string::npos && id.find('%') == std::string::npos);
    std::string_view encoded = bytes.substr(line + 1).substr(6);
    while (!encoded.empty() && encoded.front() == ' ') encoded.remove_prefix(1);
    const auto decoded = base64_decode(encoded);
    fuzz_check(decoded && decoded->rfind(id + ":", 0) == 0 && decoded->size() > id.size() + 1);
  }
  if (line == std::string_view::npos) fuzz_check(verdict == proxy::TokenVerdict::kNotOffered);
  request.method = "GET";
  fuzz_check(proxy::judge_token(request, target) == proxy::TokenVerdict::kNotOffered);
}
