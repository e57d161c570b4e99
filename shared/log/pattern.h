// The layout language of Ruby's logging gem (logging 2.3, lib/logging/layouts/pattern.rb), as in
// `%d %.8X{request} [%.1l] %m`. A directive is %, then optionally -, a least width and .longest width, then a letter:
//   %d date, local: 2026-11-22T07:02:23     %m message              %l level: INFO        %c name of the program
//   %X{request} %X{session} %X{task} context, empty when unknown    %p process id         %t thread id
//   %T thread name     %h host name         %r milliseconds since the set-up              %n newline     %% percent
//   %F %L %M %x        taken and empty: there are no source locations and nested contexts here
//
// Threads: a constant value once made.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "shared/base/clock.h"
#include "shared/base/result.h"
#include "shared/log/log.h"

namespace dynflow::log {

struct PatternInput {
  Time time;
  Level level;
  const Context& context;
  std::string_view message;
  std::string_view program;
};

class Pattern {
 public:
  // kInvalid: a letter that is no directive, or a lone percent sign.
  static Result<Pattern> parse(std::string_view text, Time now);

  std::string format(const PatternInput& input) const;

 private:
  struct Part {
    std::string literal;  // comes before the directive
    char directive = 0;   // 0: none, the literal is the end
    std::string argument;
    bool is_left_justified = false;
    std::size_t least = 0;
    std::size_t longest = std::string::npos;
  };
  Pattern(std::vector<Part> parts, Time created, std::string host)
      : parts_(std::move(parts)), created_(created), host_(std::move(host)) {}

  std::string value_of(const Part& part, const PatternInput& input) const;

  std::vector<Part> parts_;
  Time created_;
  std::string host_;
};

}  // namespace dynflow::log
