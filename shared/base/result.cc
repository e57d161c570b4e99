#include "shared/base/result.h"

namespace dynflow {

std::string_view to_string(Code code) {
  switch (code) {
    case Code::kInvalid: return "invalid";
    case Code::kUnprocessable: return "unprocessable";
    case Code::kForbidden: return "forbidden";
    case Code::kNotFound: return "not_found";
    case Code::kConflict: return "conflict";
    case Code::kTooLarge: return "too_large";
    case Code::kBusy: return "busy";
    case Code::kUnavailable: return "unavailable";
    case Code::kBadPeer: return "bad_peer";
    case Code::kTimeout: return "timeout";
    case Code::kClosed: return "closed";
    case Code::kCorrupt: return "corrupt";
    case Code::kFailed: return "failed";
  }
  return "failed";
}

int http_status(Code code) {
  switch (code) {
    case Code::kInvalid: return 400;
    case Code::kUnprocessable: return 422;
    case Code::kForbidden: return 403;
    case Code::kNotFound: return 404;
    case Code::kConflict: return 409;
    case Code::kTooLarge: return 413;
    case Code::kBusy:
    case Code::kUnavailable:
    case Code::kClosed: return 503;
    case Code::kBadPeer: return 502;
    case Code::kTimeout: return 504;
    case Code::kCorrupt:
    case Code::kFailed: return 500;
  }
  return 500;
}

}  // namespace dynflow
