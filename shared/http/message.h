// Requests and responses as our code sees them, whatever connection they came over.
//
// Threads: a request and its response belong to one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shared/base/deadline.h"
#include "shared/base/result.h"

namespace dynflow::net {
class PeerCertificate;
}

namespace dynflow::http {

// Header fields in the order of arrival. Names compare without case; values are kept byte for byte.
class Headers {
 public:
  using Field = std::pair<std::string, std::string>;

  // The first field of that name, or nothing.
  std::optional<std::string_view> get(std::string_view name) const;
  bool has(std::string_view name) const { return get(name).has_value(); }
  // Room for this many fields.
  void reserve(std::size_t count) { fields_.reserve(count); }
  void add(std::string name, std::string value) { fields_.emplace_back(std::move(name), std::move(value)); }
  // Replaces every field of that name by one.
  void set(std::string_view name, std::string value);
  void remove(std::string_view name);
  // Removes the fields for which `is_unwanted(name, value)` is true.
  template <class Predicate>
  void remove_if(Predicate is_unwanted) {
    std::erase_if(fields_, [&](const Field& field) { return is_unwanted(field.first, field.second); });
  }

  auto begin() const { return fields_.begin(); }
  auto end() const { return fields_.end(); }
  std::size_t size() const { return fields_.size(); }

 private:
  std::vector<Field> fields_;
};

// Bytes that arrive bit by bit: the body of a request or of a relayed response.
class BodyStream {
 public:
  virtual ~BodyStream() = default;
  // Blocks for the next bytes; 0 = complete. Errors: kTooLarge, kTimeout, kClosed (cut short), kInvalid (bad framing).
  virtual Result<std::size_t> read(std::span<char> buffer) = 0;
  // The whole length in bytes when it is known.
  virtual std::optional<std::uint64_t> length() const = 0;
};

// A stream over text that is already there.
std::unique_ptr<BodyStream> body_of(std::string text);
// What is left of a stream, whole. kTooLarge when it is longer than `limit` bytes.
Result<std::string> read_all(BodyStream& stream, std::size_t limit);

// Where a request came from.
struct Peer {
  std::string address;           // "192.0.2.7", "2001:db8::1", "fe80::1%eth0"; empty on a unix socket
  bool is_tls = false;
  // The verified client certificate; null when none was given.
  std::shared_ptr<const net::PeerCertificate> certificate;
};

// Who asks, for the log: "foreman.example.com (192.0.2.7)"; the address alone without a certificate.
std::string describe(const Peer& peer);

struct Request {
  std::string method;            // upper case, as sent
  std::string target;            // origin form, exactly as sent: "/dynflow/tasks/x?y=z"
  std::string path;              // percent-decoded once, without the query
  std::string query;             // as sent, without '?'
  bool has_query = false;        // "?" was there, perhaps with nothing behind it
  Headers headers;
  Peer peer;
  std::string request_id;        // X-Request-Id as sent, or made
  std::string session_id;        // X-Session-Id as sent, or made
  std::string local_address;     // address and port the request arrived at: "127.0.0.1:8000"
  Deadline deadline = Deadline::after(std::chrono::seconds(60));
  std::unique_ptr<BodyStream> body;  // never null

  // Reads the body whole. kTooLarge when it is longer than `limit` bytes.
  Result<std::string> read_body(std::size_t limit);
  // The values of a query parameter, decoded, in order.
  std::vector<std::string> query_values(std::string_view name) const;
};

struct Response {
  int status = 200;
  Headers headers;               // without framing fields: the connection layer adds those
  std::string body;              // used when `stream` is null
  std::unique_ptr<BodyStream> stream;
};

// Answers a request. Runs on a worker thread; may block until request.deadline. What it throws becomes a 500.
using Handler = std::function<Response(Request&)>;

Response text_response(int status, std::string body, std::string_view content_type = "text/plain");
// {"error":"..."} as application/json.
Response error_response(int status, std::string_view message);
Response error_response(const Error& error);

std::string_view reason_phrase(int status);
// Percent-decoding; a bad escape stays as it is. `plus_is_space` for query values.
std::string percent_decode(std::string_view text, bool plus_is_space = false);

}  // namespace dynflow::http
