#include "shared/api/console/readable.h"

#include <string_view>

#include "shared/json/json.h"

namespace dynflow::api::console {
namespace {

constexpr std::size_t kIndent = 2;

class Writer {
 public:
  explicit Writer(std::size_t limit) : limit_(limit) {}

  // `is_root`: no key stands before it on the line.
  void write(const Json& value, std::size_t depth, bool is_root) {
    if (is_full()) return;
    if (value.is_object() && !value.empty()) {
      if (!is_root) out_ += '\n';
      write_object(value, depth);
    } else if (value.is_array() && !value.empty()) {
      if (!is_root) out_ += '\n';
      write_array(value, depth);
    } else {
      if (!is_root) out_ += ' ';
      write_scalar(value, depth);
      out_ += '\n';
    }
  }

  std::string take() {
    if (!is_full()) return std::move(out_);
    // Not in the middle of a character.
    std::size_t end = limit_;
    while (end > 0 && (static_cast<unsigned char>(out_[end]) & 0xC0) == 0x80) --end;
    out_.resize(end);
    out_ += "\n... and more";
    return std::move(out_);
  }

 private:
  bool is_full() const { return out_.size() > limit_; }

  void write_object(const Json& value, std::size_t depth) {
    for (const auto& [key, item] : value.items()) {
      if (is_full()) return;
      indent(depth);
      out_ += key;
      out_ += ':';
      write(item, depth + 1, false);
    }
  }

  void write_array(const Json& value, std::size_t depth) {
    for (const Json& item : value) {
      if (is_full()) return;
      indent(depth);
      out_ += '-';
      write(item, depth + 1, false);
    }
  }

  void write_scalar(const Json& value, std::size_t depth) {
    if (!value.is_string()) {
      out_ += json::dump(value);
      return;
    }
    std::string_view text = value.get_ref<const std::string&>();
    if (text.find('\n') == std::string_view::npos) {
      out_ += text.empty() ? std::string_view("\"\"") : text;
      return;
    }
    out_ += '|';
    while (!text.empty() && !is_full()) {
      const std::string_view line = text.substr(0, text.find('\n'));
      out_ += '\n';
      indent(depth);
      out_ += line;
      text.remove_prefix(std::min(text.size(), line.size() + 1));
    }
  }

  void indent(std::size_t depth) { out_.append(depth * kIndent, ' '); }

  const std::size_t limit_;
  std::string out_;
};

}  // namespace

std::string readable(const Json& value, std::size_t limit) {
  if (value.is_null() || (value.is_object() && value.empty())) return {};
  Writer writer(limit);
  writer.write(value, 0, true);
  return writer.take();
}

}  // namespace dynflow::api::console
