#include "proxy/dynflow/circuit.h"

#include <catch2/catch.hpp>

using namespace dynflow;
using namespace dynflow::proxy;
using namespace std::chrono_literals;
using State = Circuit::State;
using Change = Circuit::Change;

namespace {

void fail(Circuit& circuit, Duration took, int times = 1) {
  for (int i = 0; i < times; ++i) {
    REQUIRE(circuit.admit());
    circuit.failed(took);
  }
}

}  // namespace

TEST_CASE("quick refusals never shut the core out", "[circuit]") {
  VirtualClock clock;
  Circuit circuit(clock);
  fail(circuit, 1ms, 100);
  CHECK(circuit.state() == State::kClosed);
  CHECK_FALSE(circuit.wants_probe());
}

TEST_CASE("three costly failures raise a suspicion, the probe decides", "[circuit]") {
  VirtualClock clock;
  Circuit circuit(clock);
  fail(circuit, 1s, 2);
  REQUIRE(circuit.admit());
  circuit.answered();
  fail(circuit, 1s, 2);
  CHECK(circuit.state() == State::kClosed);
  fail(circuit, 1s);
  CHECK(circuit.state() == State::kSuspected);
  CHECK(circuit.wants_probe());

  SECTION("a core that answers the probe stays") {
    CHECK(circuit.probed(true) == Change::kNone);
    CHECK(circuit.state() == State::kClosed);
    fail(circuit, 1s, 2);
    CHECK(circuit.state() == State::kClosed);
  }
  SECTION("a core that does not is left alone until it answers") {
    CHECK(circuit.probed(false) == Change::kOpened);
    CHECK_FALSE(circuit.admit());
    CHECK_FALSE(circuit.wants_probe());
    for (const Duration pause : {250ms, 500ms, 1000ms, 2000ms, 2000ms}) {
      CHECK(circuit.pause() == pause);
      clock.advance(pause - 1ms);
      CHECK_FALSE(circuit.wants_probe());
      clock.advance(1ms);
      CHECK(circuit.wants_probe());
      CHECK(circuit.probed(false) == Change::kNone);
      CHECK_FALSE(circuit.admit());
    }
    clock.advance(2s);
    CHECK(circuit.probed(true) == Change::kClosed);
    CHECK(circuit.admit());
  }
}

TEST_CASE("requests that all wait are a suspicion", "[circuit]") {
  VirtualClock clock;
  Circuit circuit(clock);
  clock.advance(1h);
  REQUIRE(circuit.admit());
  clock.advance(2s);
  CHECK_FALSE(circuit.wants_probe());
  // An answer to another one proves that the core lives.
  REQUIRE(circuit.admit());
  circuit.answered();
  clock.advance(2s);
  CHECK_FALSE(circuit.wants_probe());
  clock.advance(1s);
  CHECK(circuit.wants_probe());
  CHECK(circuit.state() == State::kSuspected);
  CHECK(circuit.admit());
}

TEST_CASE("an answer that comes after all closes an open circuit", "[circuit]") {
  VirtualClock clock;
  Circuit circuit(clock);
  REQUIRE(circuit.admit());
  clock.advance(3s);
  REQUIRE(circuit.wants_probe());
  REQUIRE(circuit.probed(false) == Change::kOpened);
  circuit.answered();
  CHECK(circuit.admit());
  circuit.answered();
  // Whoever was told of the end is told of its own end soon, whether or not somebody has a question.
  CHECK(circuit.wants_probe());
  CHECK(circuit.probed(true) == Change::kClosed);
  CHECK_FALSE(circuit.wants_probe());
}

TEST_CASE("a probe that fails without a suspicion changes nothing", "[circuit]") {
  VirtualClock clock;
  Circuit circuit(clock);
  CHECK(circuit.probed(false) == Change::kNone);
  CHECK(circuit.admit());
}
