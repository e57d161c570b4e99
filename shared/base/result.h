// Errors as values: Result<T> holds a value or an Error, shaped like std::expected (which g++ 12 lacks).
//
// Threads: values; as safe as T.
#pragma once

#include <cassert>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace dynflow {

// One value a *reaction* of the caller, not a cause. `http_status` maps them for answers.
enum class Code {
  kInvalid,        // the input is wrong; repeating it is useless            -> 400
  kUnprocessable,  // well-formed but not acceptable                         -> 422
  kForbidden,      // the peer may not do this                               -> 403
  kNotFound,       // no such thing                                          -> 404
  kConflict,       // exists already, and is different                       -> 409
  kTooLarge,       // over a documented limit                                -> 413
  kBusy,           // a bounded queue is full; try later                     -> 503
  kUnavailable,    // a peer or a service cannot be reached; try later       -> 503
  kBadPeer,        // a peer answered nonsense                               -> 502
  kTimeout,        // a deadline passed                                      -> 504
  kClosed,         // shutting down, or the other side went away             -> 503
  kCorrupt,        // stored data cannot be understood                       -> 500
  kFailed,         // anything else that went wrong                          -> 500
};

// "invalid", "not_found", ...: for logs and tests.
std::string_view to_string(Code code);

// The HTTP status that stands for a code (the one table).
int http_status(Code code);

class Error {
 public:
  Error(Code code, std::string message) : code_(code), message_(std::move(message)) {}

  Code code() const { return code_; }
  const std::string& message() const { return message_; }

  // The same error seen from one level up: "<context>: <message>".
  [[nodiscard]] Error in(std::string_view context) const {
    std::string text(context);
    text += ": ";
    text += message_;
    return Error(code_, std::move(text));
  }

 private:
  Code code_;
  std::string message_;
};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: implicit on purpose
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit on purpose

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  T& value() & { assert(ok()); return std::get<0>(state_); }
  const T& value() const& { assert(ok()); return std::get<0>(state_); }
  T&& value() && { assert(ok()); return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  const Error& error() const { assert(!ok()); return std::get<1>(state_); }

 private:
  std::variant<T, Error> state_;
};

// Success or an Error.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT: implicit on purpose

  bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  const Error& error() const { assert(!ok()); return *error_; }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;

}  // namespace dynflow
