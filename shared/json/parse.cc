#include <algorithm>
#include <ctime>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include "shared/base/utf8.h"
#include "shared/json/json.h"
#include "shared/json/msgpack.h"

namespace dynflow::json {

namespace {

// Below this many members comparing each with each is cheaper than sorting.
constexpr std::size_t kFewMembers = 16;
constexpr std::size_t kLongestMessage = 200;

// Of duplicate keys the last value wins and stays at the place of the first, as in Ruby's hashes. Sorting (and no
// hash table) keeps the cost at n log n whatever keys a client makes up.
void drop_duplicate_keys(Json::object_t& object) {
  const std::size_t count = object.size();
  Json::object_t::value_type* const members = object.data();
  std::vector<std::size_t> winner(count);
  std::iota(winner.begin(), winner.end(), std::size_t{0});
  std::vector<bool> is_dropped(count, false);
  std::size_t dropped = 0;
  const auto supersede = [&](std::size_t first, std::size_t later) {
    winner[first] = later;
    is_dropped[later] = true;
    ++dropped;
  };
  if (count <= kFewMembers) {
    for (std::size_t i = 0; i < count; ++i) {
      for (std::size_t j = i + 1; !is_dropped[i] && j < count; ++j) {
        if (!is_dropped[j] && members[j].first == members[i].first) supersede(i, j);
      }
    }
  } else {
    std::vector<std::size_t> order(count);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      const int difference = members[a].first.compare(members[b].first);
      return difference != 0 ? difference < 0 : a < b;
    });
    for (std::size_t i = 0; i < count;) {
      std::size_t j = i + 1;
      for (; j < count && members[order[j]].first == members[order[i]].first; ++j) supersede(order[i], order[j]);
      i = j;
    }
  }
  if (dropped == 0) return;
  Json::object_t kept;
  kept.reserve(count - dropped);
  for (std::size_t i = 0; i < count; ++i) {
    if (!is_dropped[i]) kept.emplace_back(members[i].first, std::move(members[winner[i]].second));
  }
  object = std::move(kept);
}

// The text of a time or a date: the standard timestamp of 4, 8 or 12 bytes (MessagePack specification, "Timestamp extension type") under
// the type numbers of Dynflow 2.0.0, lib/dynflow/extensions/msgpack.rb. Nothing when it is none.
std::optional<std::string> extension_text(std::uint64_t type, std::string_view bytes) {
  const auto big_endian = [bytes](std::size_t from, std::size_t size) {
    std::uint64_t value = 0;
    for (std::size_t i = from; i < from + size; ++i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
    return value;
  };
  std::int64_t seconds = 0;
  switch (bytes.size()) {
    case 4: seconds = static_cast<std::int64_t>(big_endian(0, 4)); break;
    case 8: seconds = static_cast<std::int64_t>(big_endian(0, 8) & 0x3'ffff'ffff); break;  // above: 30 bits of nanoseconds
    case 12: seconds = static_cast<std::int64_t>(big_endian(4, 8)); break;
    default: return std::nullopt;
  }
  constexpr std::int64_t kFarthest = 1LL << 40;  // years that a clock can hold
  if (type > 3 || seconds < -kFarthest || seconds > kFarthest) return std::nullopt;
  const std::time_t time = seconds;
  std::tm parts{};
  char text[64];
  if (gmtime_r(&time, &parts) == nullptr) return std::nullopt;
  const std::size_t size = std::strftime(text, sizeof text, type == 3 ? "%Y-%m-%d" : "%Y-%m-%d %H:%M:%S +0000", &parts);
  return std::string(text, size);
}

// Builds the tree from the library's events and stops at the first limit. An open container is always the last
// element of its parent, so that pointers into the tree stay good while they are on the stack.
class Builder {
 public:
  // `what` begins the text of an error: "not JSON".
  Builder(const Limits& limits, std::string what) : limits_(limits), what_(std::move(what)) {}

  bool null() { return add(nullptr) != nullptr; }
  bool boolean(bool value) { return add(value) != nullptr; }
  bool number_integer(std::int64_t value) { return add(value) != nullptr; }
  bool number_unsigned(std::uint64_t value) { return add(value) != nullptr; }
  bool number_float(double value, const std::string& /*text*/) { return add(value) != nullptr; }
  bool string(std::string& value) { return add(std::move(value)) != nullptr; }
  // MessagePack has it; see MessagePackBuilder.
  bool binary(Json::binary_t& /*value*/) { return false; }

  bool start_object(std::size_t /*size*/) { return open(Json::object()); }
  bool start_array(std::size_t /*size*/) { return open(Json::array()); }
  bool end_object() {
    drop_duplicate_keys(open_.back()->get_ref<Json::object_t&>());
    open_.pop_back();
    return true;
  }
  bool end_array() {
    open_.pop_back();
    return true;
  }
  bool key(std::string& name) {
    auto& members = open_.back()->get_ref<Json::object_t&>();
    if (members.size() >= limits_.keys) return refuse("too many keys in one object", limits_.keys);
    members.emplace_back(std::move(name), nullptr);
    return true;
  }

  bool parse_error(std::size_t /*position*/, const std::string& /*token*/, const nlohmann::detail::exception& problem) {
    std::string text = problem.what();
    // "[json.exception.parse_error.101] parse error at line 1, column 2: ..."
    if (const auto end = text.find("] "); end != std::string::npos) text.erase(0, end + 2);
    // The library quotes what it read, which may be long and is not always UTF-8.
    if (const auto begin = text.find("; last read: '"); begin != std::string::npos) {
      const auto expected = text.rfind("'; expected ");
      text.erase(begin, expected == std::string::npos ? std::string::npos : expected + 1 - begin);
    }
    text.resize(std::min(text.size(), kLongestMessage));
    error_.emplace(Code::kInvalid, what_ + ": " + to_valid_utf8(text));
    return false;
  }

  Result<Json> take() && {
    if (error_) return *error_;
    return std::move(root_);
  }
  bool has_failed() const { return error_.has_value(); }

 protected:
  bool fail(Error error) {
    error_.emplace(std::move(error));
    return false;
  }

 private:
  bool refuse(std::string_view what, std::size_t limit) {
    error_.emplace(Code::kUnprocessable, std::string(what) + " (limit " + std::to_string(limit) + ")");
    return false;
  }

  template <class Value>
  Json* add(Value&& value) {
    if (values_ >= limits_.values) {
      refuse("too many values in one document", limits_.values);
      return nullptr;
    }
    ++values_;
    if (open_.empty()) {
      root_ = Json(std::forward<Value>(value));
      return &root_;
    }
    Json& parent = *open_.back();
    if (parent.is_array()) {
      auto& elements = parent.get_ref<Json::array_t&>();
      elements.emplace_back(std::forward<Value>(value));
      return &elements.back();
    }
    Json& member = parent.get_ref<Json::object_t&>().back().second;
    member = Json(std::forward<Value>(value));
    return &member;
  }

  bool open(Json container) {
    if (open_.size() >= limits_.depth) return refuse("nested too deeply", limits_.depth);
    Json* place = add(std::move(container));
    if (place == nullptr) return false;
    open_.push_back(place);
    return true;
  }

  const Limits limits_;
  const std::string what_;
  Json root_;
  std::vector<Json*> open_;
  std::size_t values_ = 0;
  std::optional<Error> error_;
};

// MessagePack has binary text, types of its own, and says nothing about the encoding of its text and keys. What is read can be written as
// JSON: two keys that differ only in bytes that are no UTF-8 are one.
class MessagePackBuilder : public Builder {
 public:
  explicit MessagePackBuilder(const Limits& limits) : Builder(limits, "not MessagePack") {}

  bool string(std::string& value) { return add_text(value); }
  bool key(std::string& name) {
    std::string valid = to_valid_utf8(name);
    return Builder::key(valid);
  }
  bool binary(Json::binary_t& value) {
    const std::string_view bytes(reinterpret_cast<const char*>(value.data()), value.size());
    if (!value.has_subtype()) return add_text(bytes);
    std::optional<std::string> text = extension_text(value.subtype(), bytes);
    if (text) return Builder::string(*text);
    return fail(Error(Code::kInvalid, "MessagePack extension type " + std::to_string(value.subtype()) + " is not known"));
  }

 private:
  bool add_text(std::string_view bytes) {
    std::string text = to_valid_utf8(bytes);
    return Builder::string(text);
  }
};

}  // namespace

Result<Json> parse(std::string_view text, const Limits& limits) {
  if (text.size() > limits.bytes) {
    return Error(Code::kTooLarge, "JSON text is longer than " + std::to_string(limits.bytes) + " bytes");
  }
  // The library takes a NUL for the end of the text and skips a byte order mark.
  if (const auto nul = text.find('\0'); nul != std::string_view::npos) {
    return Error(Code::kInvalid, "not JSON: NUL at byte " + std::to_string(nul));
  }
  if (text.substr(0, 3) == "\xEF\xBB\xBF") return Error(Code::kInvalid, "not JSON: starts with a byte order mark");
  Builder builder(limits, "not JSON");
  const bool is_done = Json::sax_parse(text.data(), text.data() + text.size(), &builder);
  if (!is_done && !builder.has_failed()) return Error(Code::kInvalid, "not JSON");
  return std::move(builder).take();
}

Result<Json> parse_msgpack(std::string_view bytes, const Limits& limits) {
  if (bytes.size() > limits.bytes) {
    return Error(Code::kTooLarge, "MessagePack is longer than " + std::to_string(limits.bytes) + " bytes");
  }
  MessagePackBuilder builder(limits);
  const bool is_done = Json::sax_parse(bytes.data(), bytes.data() + bytes.size(), &builder, Json::input_format_t::msgpack);
  if (!is_done && !builder.has_failed()) return Error(Code::kInvalid, "not MessagePack");
  return std::move(builder).take();
}

}  // namespace dynflow::json
