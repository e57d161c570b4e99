#include "shared/log/pattern.h"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>

#include "shared/base/utf8.h"
#include "shared/log/setup.h"
#include "shared/log/text.h"

namespace dynflow::log {

namespace {

constexpr std::string_view kDirectives = "cdFhlLmMnprtTxX%";

std::string local_date(Time time) {
  // Formatting a date costs more than the rest of a record, and most records share their second.
  thread_local std::time_t formatted_second = -1;
  thread_local std::string formatted;
  const std::time_t second = std::chrono::system_clock::to_time_t(time);
  if (second != formatted_second) {
    std::tm parts{};
    localtime_r(&second, &parts);
    std::array<char, 40> text{};
    const std::size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
    formatted.assign(text.data(), size);
    formatted_second = second;
  }
  return formatted;
}

std::string thread_name() {
  std::array<char, 16> name{};
  pthread_getname_np(pthread_self(), name.data(), name.size());
  return name.data();
}

std::string host_name() {
  std::array<char, 256> name{};
  // A host without a name is shown as an empty one.
  if (gethostname(name.data(), name.size() - 1) != 0) return {};
  return name.data();
}

// The rightmost `count` names of "Foo::Bar::Baz".
std::string last_names(std::string_view name, std::size_t count) {
  std::size_t begin = name.size();
  while (count-- > 0 && begin != std::string_view::npos && begin > 0) begin = name.rfind("::", begin - 1);
  return std::string(begin == std::string_view::npos ? name : name.substr(begin + (begin == 0 ? 0 : 2)));
}

std::string context_value(const Context& context, std::string_view key) {
  if (key == "request") return std::string(context.request_id);
  if (key == "session") return std::string(context.session_id);
  if (key == "task") return std::string(context.task_id);
  return {};
}

// Widths count characters, as Ruby's sprintf does.
std::string fit(std::string text, std::size_t least, std::size_t longest, bool is_left_justified) {
  if (least == 0 && longest == std::string::npos) return text;
  std::size_t characters = 0;
  std::size_t at = 0;
  while (at < text.size() && characters < longest) {
    at += utf8_step(std::string_view(text).substr(at)).length;
    ++characters;
  }
  text.resize(at);
  if (characters < least) text.insert(is_left_justified ? text.size() : 0, least - characters, ' ');
  return text;
}

std::size_t take_number(std::string_view& text) {
  std::size_t number = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), number).ptr;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

}  // namespace

Result<Pattern> Pattern::parse(std::string_view text, Time now) {
  constexpr std::size_t kWidest = 1000;
  std::vector<Part> parts;
  while (!text.empty()) {
    Part part;
    const auto percent = text.find('%');
    part.literal = text.substr(0, percent);
    text.remove_prefix(std::min(percent, text.size()));
    if (!text.empty()) {
      text.remove_prefix(1);
      if (!text.empty() && text[0] == '-') {
        part.is_left_justified = true;
        text.remove_prefix(1);
      }
      part.least = take_number(text);
      if (!text.empty() && text[0] == '.') {
        text.remove_prefix(1);
        part.longest = take_number(text);
      }
      if (part.least > kWidest) return Error(Code::kInvalid, "log pattern: width is over 1000");
      if (text.empty()) return Error(Code::kInvalid, "log pattern: '%' without a letter");
      part.directive = text[0];
      text.remove_prefix(1);
      if (kDirectives.find(part.directive) == std::string_view::npos) {
        return Error(Code::kInvalid, std::string("log pattern: illegal format character - '") + part.directive + "'");
      }
      // Only these two take an argument; elsewhere a brace is text.
      if ((part.directive == 'X' || part.directive == 'c') && !text.empty() && text[0] == '{') {
        const auto brace = text.find('}');
        if (brace == std::string_view::npos) return Error(Code::kInvalid, "log pattern: '{' without '}'");
        part.argument = text.substr(1, brace - 1);
        text.remove_prefix(brace + 1);
      }
    }
    parts.push_back(std::move(part));
  }
  return Pattern(std::move(parts), now, host_name());
}

std::string Pattern::value_of(const Part& part, const PatternInput& input) const {
  switch (part.directive) {
    case 'd':
      return local_date(input.time);
    case 'm':
      return std::string(input.message);
    case 'l':
      return std::string(to_string(input.level));
    case 'c': {
      std::size_t count = 0;
      std::from_chars(part.argument.data(), part.argument.data() + part.argument.size(), count);
      return count > 0 ? last_names(input.program, count) : std::string(input.program);
    }
    case 'X':
      return to_one_line(context_value(input.context, part.argument));
    case 'p':
      return std::to_string(getpid());
    case 't':
      return std::to_string(gettid());
    case 'T':
      return thread_name();
    case 'h':
      return host_;
    case 'r':
      return std::to_string(
          std::chrono::duration_cast<std::chrono::milliseconds>(input.time - created_).count());
    case 'n':
      return "\n";
    case '%':
      return "%";
    default:
      return {};
  }
}

std::string Pattern::format(const PatternInput& input) const {
  std::string out;
  out.reserve(input.message.size() + 48);
  for (const Part& part : parts_) {
    out += part.literal;
    if (part.directive != 0) {
      out += fit(value_of(part, input), part.least, part.longest, part.is_left_justified);
    }
  }
  return out;
}

}  // namespace dynflow::log
