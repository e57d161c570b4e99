#include "shared/http/engine.h"

#include <httplib.h>
#include <signal.h>

#include <array>
#include <ctime>

#include "shared/http/head.h"
#include "shared/log/log.h"

namespace dynflow::http {
namespace {

// The split library has its class layout frozen with the defines that only pkg-config knows. A mismatch would be
// silent memory corruption.
static_assert(sizeof(httplib::Request) == 608, "compile with the flags of pkg-config cpp-httplib");

// Answers are collected up to this size; beyond it they leave piece by piece.
constexpr std::size_t kCollectedAnswer = 64 * 1024;
constexpr std::size_t kCopyBuffer = 64 * 1024;

// The constructor of httplib::Server sets SIGPIPE to ignored for the whole process. Nothing here needs that.
class SigpipeKeeper {
 public:
  SigpipeKeeper() { ::sigaction(SIGPIPE, nullptr, &before_); }
  ~SigpipeKeeper() { ::sigaction(SIGPIPE, &before_, nullptr); }
  SigpipeKeeper(const SigpipeKeeper&) = delete;
  SigpipeKeeper& operator=(const SigpipeKeeper&) = delete;

 private:
  struct sigaction before_ {};
};

// "Mon, 23 Nov 2026 01:50:00 GMT", made once a second and thread.
const std::string& date_now() {
  thread_local std::time_t made_at = 0;
  thread_local std::string text;
  const std::time_t now = std::time(nullptr);
  if (now != made_at) {
    std::tm parts{};
    gmtime_r(&now, &parts);
    std::array<char, 40> buffer{};
    const std::size_t size = std::strftime(buffer.data(), buffer.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
    text.assign(buffer.data(), size);
    made_at = now;
  }
  return text;
}

// Feeds httplib a head of ours and collects what it writes.
class JobStream final : public httplib::Stream {
 public:
  JobStream(Engine::Job& job, std::string head) : job_(job), head_(std::move(head)) {}

  bool is_readable() const override { return head_at_ < head_.size(); }
  bool is_writable() const override { return !has_failed_; }

  ssize_t read(char* data, std::size_t size) override {
    const std::size_t count = std::min(size, head_.size() - head_at_);
    std::memcpy(data, head_.data() + head_at_, count);
    head_at_ += count;
    return static_cast<ssize_t>(count);
  }

  ssize_t write(const char* data, std::size_t size) override {
    if (has_failed_) return -1;
    if (out_.size() + size <= kCollectedAnswer) {
      out_.append(data, size);
    } else if (!send({data, size})) {
      return -1;
    }
    return static_cast<ssize_t>(size);
  }

  bool flush() { return out_.empty() || send({}); }

  void get_remote_ip_and_port(std::string&, int&) const override {}
  void get_local_ip_and_port(std::string&, int&) const override {}
  socket_t socket() const override { return job_.io.fd(); }

  Engine::Job& job() { return job_; }
  Response response;
  bool closes = false;

 private:
  bool send(std::string_view rest) {
    const auto sent = job_.io.write(out_, rest, Deadline::after(job_.write_deadline));
    out_.clear();
    has_failed_ = !sent.ok();
    return !has_failed_;
  }

  Engine::Job& job_;
  std::string head_;
  std::size_t head_at_ = 0;
  std::string out_;
  bool has_failed_ = false;
};

// httplib gives its handlers no user data, and a job stays on its thread from start to end.
thread_local JobStream* current_stream = nullptr;

bool has_no_body(int status) { return status < 200 || status == 204 || status == 304; }

}  // namespace

class Engine::Httplib final : public httplib::Server {
 public:
  Httplib(http::Handler handler, std::string server_header)
      : handler_(std::move(handler)), server_header_(std::move(server_header)) {
    // Its writers take an invalid descriptor for "shutting down"; it is never used as a descriptor.
    svr_sock_ = 0;
    // Before httplib's routes: those are regular expressions.
    set_pre_routing_handler([this](const httplib::Request&, httplib::Response& response) {
      answer(*current_stream, response);
      return HandlerResponse::Handled;
    });
    set_post_routing_handler([this](const httplib::Request&, httplib::Response& response) {
      finish_head(*current_stream, response);
    });
  }

  // The handler's answer, with no field that this layer owns or that could break the head.
  Response ask_handler(Request& request) const {
    Response response = call_handler(request);
    if (response.status < 200 || response.status > 599) {
      log::error({.request_id = request.request_id}, "handler answered with status {}", response.status);
      response = error_response(500, "Internal Server Error");
    }
    response.headers.remove_if([&](const std::string& name, const std::string& value) {
      if (is_hop_by_hop(name) || same_as(name, "Content-Length")) return true;
      if (is_token(name) && is_clean_value(value)) return false;
      log::warn({.request_id = request.request_id}, "response header {} dropped: forbidden bytes", name);
      return true;
    });
    if (has_no_body(response.status)) response.stream.reset();
    return response;
  }

  // Most answers are one text: head and text leave in one piece, and httplib, which would spend more on them than
  // everything else does, is not needed.
  bool send_whole(Engine::Job& job, const Response& response, bool closes) const {
    std::string head;
    head.reserve(512);
    head.append("HTTP/1.1 ").append(std::to_string(response.status)).append(" ");
    head.append(reason_phrase(response.status)).append("\r\n");
    const auto add = [&head](std::string_view name, std::string_view value) {
      head.append(name).append(": ").append(value).append("\r\n");
    };
    for (const auto& [name, value] : response.headers) add(name, value);
    add("Connection", closes ? "close" : "Keep-Alive");
    if (!has_no_body(response.status)) add("Content-Length", std::to_string(response.body.size()));
    if (!response.headers.has("Date")) add("Date", date_now());
    if (!response.headers.has("Server")) add("Server", server_header_);
    head += "\r\n";
    const bool has_body = !has_no_body(response.status) && job.request.method != "HEAD";
    const std::string_view body = has_body ? std::string_view(response.body) : std::string_view();
    const Deadline deadline = Deadline::after(job.write_deadline);
    return (closes ? job.io.write_last(head, body, deadline) : job.io.write(head, body, deadline)).ok();
  }

  // The same for an answer that comes bit by bit.
  bool send_stream(JobStream& stream) {
    bool is_closed = false;
    current_stream = &stream;
    bool done = false;
    try {
      done = process_request(stream, false, is_closed, nullptr);
    } catch (const std::exception& failure) {
      // The head may be out already: all that is left is to cut the connection, which the client notices.
      log::error({.request_id = stream.job().request.request_id}, "the answer broke off: {}", failure.what());
    }
    current_stream = nullptr;
    return done;
  }

 private:
  Response call_handler(Request& request) const {
    try {
      return handler_(request);
    } catch (const std::exception& failure) {
      log::error({.request_id = request.request_id}, "{} {}: {}", request.method, request.path, failure.what());
    } catch (...) {
      log::error({.request_id = request.request_id}, "{} {}: unknown exception", request.method, request.path);
    }
    return error_response(500, "Internal Server Error");
  }

  void answer(JobStream& stream, httplib::Response& out) const {
    out.status = stream.response.status;
    for (const auto& [name, value] : stream.response.headers) out.headers.emplace(name, value);
    stream_body(stream, out);
  }

  void stream_body(JobStream& stream, httplib::Response& out) const {
    const auto length = stream.response.stream->length();
    out.content_length_ = length.value_or(0);
    if (length && *length == 0) return;
    out.is_chunked_content_provider_ = !length && !stream.job().is_http_10;
    // Without a length and without chunks the end of the connection is the end of the body.
    if (!length && stream.job().is_http_10) stream.closes = true;
    out.content_provider_ = [&stream, is_first = true, buffer = std::string()](
                                std::size_t, std::size_t left, httplib::DataSink& sink) mutable {
      // What was read earlier must not wait for what comes later. The head goes with the first bytes.
      if (!is_first && !stream.flush()) return false;
      is_first = false;
      buffer.resize(kCopyBuffer);
      const std::size_t wanted = left > 0 ? std::min(left, buffer.size()) : buffer.size();
      const auto got = stream.response.stream->read(std::span(buffer).first(wanted));
      if (!got) {
        log::warn({.request_id = stream.job().request.request_id}, "the answer broke off: {}", got.error().message());
        return false;
      }
      if (*got > 0) return sink.write(buffer.data(), *got);
      if (left > 0) return false;
      sink.done();
      return true;
    };
  }

  // httplib has added fields of its own by now.
  void finish_head(JobStream& stream, httplib::Response& out) const {
    auto& headers = out.headers;
    headers.erase("Keep-Alive");
    headers.erase("Connection");
    if (!stream.response.headers.has("Accept-Ranges")) headers.erase("Accept-Ranges");
    if (!stream.response.headers.has("Content-Type")) headers.erase("Content-Type");
    headers.emplace("Connection", stream.closes ? "close" : "Keep-Alive");
    if (headers.find("Date") == headers.end()) headers.emplace("Date", date_now());
    if (headers.find("Server") == headers.end()) headers.emplace("Server", server_header_);
  }

  static bool same_as(std::string_view a, std::string_view b) {
    return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
  }

  http::Handler handler_;
  std::string server_header_;
};

Engine::Engine(Handler handler, std::string server_header) {
  const SigpipeKeeper keeper;
  httplib_ = std::make_unique<Httplib>(std::move(handler), std::move(server_header));
}

Engine::~Engine() = default;

Engine::Outcome Engine::run(Job& job) const {
  Response response = httplib_->ask_handler(job.request);
  const bool closes = job.wants_close();
  if (!response.stream) {
    if (!httplib_->send_whole(job, response, closes)) return Outcome::kBroken;
    return closes ? Outcome::kClose : Outcome::kKeepAlive;
  }
  // httplib needs the method only to leave out the body of an answer to HEAD.
  JobStream stream(job, job.request.method == "HEAD" ? "HEAD / HTTP/1.1\r\n\r\n" : "GET / HTTP/1.1\r\n\r\n");
  stream.response = std::move(response);
  stream.closes = closes;
  const bool is_done = httplib_->send_stream(stream) && stream.flush();
  // The stream may read the request's body, which ends with the job.
  stream.response.stream.reset();
  if (!is_done) return Outcome::kBroken;
  return stream.closes ? Outcome::kClose : Outcome::kKeepAlive;
}

}  // namespace dynflow::http
