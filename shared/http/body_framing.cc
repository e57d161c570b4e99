#include "shared/http/body_framing.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace dynflow::http {

bool BodyFraming::is_complete() const {
  switch (kind_) {
    case BodyKind::kNone: return true;
    case BodyKind::kLength: return left_ == 0;
    case BodyKind::kChunked: return decoder_.is_complete();
    case BodyKind::kUntilClose: return has_ended_;
  }
  return true;
}

std::uint64_t BodyFraming::plain_bytes() const {
  if (kind_ == BodyKind::kLength) return left_;
  if (kind_ == BodyKind::kUntilClose && !has_ended_) return std::numeric_limits<std::uint64_t>::max();
  return 0;
}

void BodyFraming::took_plain(std::uint64_t count) {
  if (kind_ == BodyKind::kLength) left_ -= count;
}

Status BodyFraming::end_of_input() {
  if (kind_ == BodyKind::kUntilClose) has_ended_ = true;
  if (is_complete()) return {};
  return Error(Code::kClosed, "the connection ended within the body");
}

Result<BodyFraming::Step> BodyFraming::take(std::string_view input, std::span<char> output) {
  Step step;
  if (kind_ != BodyKind::kChunked) {
    const std::uint64_t count = std::min<std::uint64_t>({plain_bytes(), input.size(), output.size()});
    if (count > 0) std::memcpy(output.data(), input.data(), static_cast<std::size_t>(count));
    took_plain(count);
    step.consumed = step.produced = static_cast<std::size_t>(count);
    return step;
  }
  while (step.consumed < input.size() && step.produced < output.size() && !decoder_.is_complete()) {
    auto part = decoder_.step(input.substr(step.consumed), output.size() - step.produced);
    if (!part) return part.error();
    if (!part->data.empty()) std::memcpy(output.data() + step.produced, part->data.data(), part->data.size());
    step.consumed += part->consumed;
    step.produced += part->data.size();
  }
  return step;
}

}  // namespace dynflow::http
