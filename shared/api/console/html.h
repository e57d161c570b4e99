// Markup that cannot be broken by what is filled in.
//
// Threads: a value.
#pragma once

#include <concepts>
#include <span>
#include <string>
#include <string_view>

namespace dynflow::api::console {

class Html {
 public:
  Html() = default;
  // See add().
  template <std::size_t N, class... Values>
  explicit Html(const char (&form)[N], const Values&... values) {
    add(form, values...);
  }

  // Appends a form of ours with its {} filled in order: numbers, texts (escaped, so that they may stand between tags and in quoted
  // attributes), and other Html as it is. Only literals are taken as forms: no text of others becomes markup.
  template <std::size_t N, class... Values>
  Html& add(const char (&form)[N], const Values&... values) {
    const std::string parts[] = {std::string(), markup(values)...};
    fill(std::string_view(form, N - 1), std::span(parts).subspan(1));
    return *this;
  }
  Html& add(const Html& part) {
    text_ += part.text_;
    return *this;
  }

  bool empty() const { return text_.empty(); }
  const std::string& text() const { return text_; }

 private:
  static std::string markup(std::string_view text);
  static std::string markup(const Html& part) { return part.text_; }
  static std::string markup(std::integral auto number) { return std::to_string(number); }
  void fill(std::string_view form, std::span<const std::string> parts);

  std::string text_;
};

// For text between tags and in quoted attributes. What a page may not hold, or what turns text round, is shown as a mark.
std::string escaped(std::string_view text);

}  // namespace dynflow::api::console
