// The body of a request as its handler reads it: first what was collected, then the connection.
//
// Threads: the worker that serves the request.
#pragma once

#include "shared/base/deadline.h"
#include "shared/http/message.h"
#include "shared/http/served_connection.h"

namespace dynflow::http {

class RequestBody final : public BodyStream {
 public:
  // `connection` must outlive the stream.
  explicit RequestBody(ServedConnection& connection)
      : connection_(connection), deadline_(Deadline::after(connection.options.body_deadline)) {}

  Result<std::size_t> read(std::span<char> buffer) override;
  std::optional<std::uint64_t> length() const override;

 private:
  Result<std::size_t> read_more(std::span<char> buffer);
  Error fail(Error error);

  ServedConnection& connection_;
  Deadline deadline_;
  std::size_t collected_at_ = 0;
  std::uint64_t total_ = 0;
};

}  // namespace dynflow::http
