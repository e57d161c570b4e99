// Bodies: chunked and by length. The first two bytes choose the size of the pieces and the kind.
#include <algorithm>
#include <string>

#include "shared/http/body_framing.h"
#include "tests/fuzz/target.h"

using namespace dynflow::http;

namespace {

struct Outcome {
  bool failed = false;
  bool complete = false;
  std::size_t consumed = 0;
  std::string body;
};

Outcome decode(BodyKind kind, std::uint64_t length, std::string_view input, std::size_t piece, std::size_t room) {
  BodyFraming framing(kind, length);
  Outcome outcome;
  char buffer[512];
  std::size_t arrived = 0;
  while (!framing.is_complete()) {
    const auto step = framing.take(input.substr(outcome.consumed, arrived - outcome.consumed),
                                   std::span<char>(buffer, room));
    if (!step) {
      outcome.failed = true;
      return outcome;
    }
    fuzz_check(step->produced <= room && step->consumed <= arrived - outcome.consumed);
    fuzz_check(step->produced <= step->consumed);
    outcome.consumed += step->consumed;
    outcome.body.append(buffer, step->produced);
    if (step->consumed != 0) continue;
    if (arrived == input.size()) break;
    arrived = std::min(input.size(), arrived + piece);
  }
  outcome.complete = framing.is_complete();
  return outcome;
}

}  // namespace

void fuzz(std::string_view bytes) {
  if (bytes.size() < 2) return;
  const auto piece = static_cast<std::size_t>(static_cast<unsigned char>(bytes[0])) + 1;
  const auto choice = static_cast<unsigned char>(bytes[1]);
  const BodyKind kind = (choice & 1) != 0 ? BodyKind::kLength : BodyKind::kChunked;
  const std::string_view input = bytes.substr(2);
  const Outcome pieces = decode(kind, choice, input, piece, 1 + choice / 2);
  const Outcome whole = decode(kind, choice, input, input.size() + 1, 512);
  // However the bytes are cut, they say the same.
  fuzz_check(pieces.failed == whole.failed && pieces.complete == whole.complete);
  if (!whole.failed) fuzz_check(pieces.body == whole.body && pieces.consumed == whole.consumed);
}
