#include "shared/plugin/loader.h"

#include <dlfcn.h>
#include <fmt/core.h>

#include <cstddef>
#include <exception>
#include <string_view>
#include <system_error>
#include <utility>

#include "shared/json/json.h"
#include "shared/log/log.h"
#include "shared/plugin/build_id.h"

namespace dynflow::plugin {
namespace {

constexpr const char* kEntry = "dynflow_plugin_v1";
using Entry = const dynflow_plugin_api* (*)();

std::string_view view(dynflow_text text) { return text.data == nullptr ? std::string_view() : std::string_view(text.data, text.size); }
dynflow_text text_of(std::string_view text) { return {text.data(), text.size()}; }

Json to_json(const settings::Node& node) {
  switch (node.type) {
    case settings::NodeType::kNull:
      return nullptr;
    case settings::NodeType::kBool:
      return node.boolean;
    case settings::NodeType::kInt:
      return node.integer;
    case settings::NodeType::kFloat:
      return node.real;
    case settings::NodeType::kString:
    case settings::NodeType::kSymbol:
      return node.text;
    case settings::NodeType::kList: {
      Json list = Json::array();
      for (const settings::Node& item : node.items) list.push_back(to_json(item));
      return list;
    }
    case settings::NodeType::kMap: {
      Json map = Json::object();
      for (const settings::Member& member : node.members) map[member.key.text] = to_json(member.value);
      return map;
    }
  }
  return nullptr;
}

std::string linker_error() {
  const char* text = dlerror();
  return text != nullptr ? text : "unknown error of the linker";
}

}  // namespace

// The table that plugins get, and what stands behind it.
class Plugins::Host {
 public:
  explicit Host(Context& context) : context_(context) {
    api_.abi = DYNFLOW_PLUGIN_ABI;
    api_.size = sizeof(api_);
    api_.handle = this;
    api_.log = &Host::log;
    api_.settings = &Host::settings;
    api_.build_id = text_of(kBuildId);
    api_.cxx = &context;
  }
  const dynflow_host_api* api() const { return &api_; }
  std::vector<Feature>& features() { return context_.features; }

 private:
  static void log(void*, int level, dynflow_text message) noexcept {
    constexpr log::Level kLevels[] = {log::Level::kDebug, log::Level::kInfo, log::Level::kWarn, log::Level::kError};
    try {
      log::emit(level >= 0 && level <= 3 ? kLevels[level] : log::Level::kError, {}, "{}", view(message));
    } catch (const std::exception&) {
      // No memory for a log line: nothing can be said about it.
    }
  }

  static dynflow_text settings(void* handle, dynflow_text name) noexcept {
    Host& self = *static_cast<Host*>(handle);
    try {
      const auto document = self.context_.settings(std::string(view(name)));
      if (!document) {
        log::error({}, "settings of {}: {}", view(name), document.error().message());
        return {nullptr, 0};
      }
      self.settings_text_ = document->root.is_null() ? "{}" : json::dump(to_json(document->root));
      return text_of(self.settings_text_);
    } catch (const std::exception& e) {
      log::error({}, "settings of {}: {}", view(name), e.what());
      return {nullptr, 0};
    }
  }

  Context& context_;
  dynflow_host_api api_{};
  std::string settings_text_;
};

Plugins::Plugins(Context& context) : host_(std::make_unique<Host>(context)) {}
Plugins::~Plugins() { stop(); }

Result<LoadedPlugin> Plugins::load(const std::filesystem::path& file) {
  const auto refuse = [&](Code code, std::string_view why) { return Error(code, fmt::format("{}: {}", file.filename().string(), why)); };
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) return refuse(Code::kNotFound, "not installed");
  void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (library == nullptr) return refuse(Code::kUnavailable, linker_error());
  const auto entry = reinterpret_cast<Entry>(dlsym(library, kEntry));
  if (entry == nullptr) return refuse(Code::kUnavailable, fmt::format("no plugin, it lacks {}", kEntry));

  const dynflow_plugin_api* plugin = entry();
  if (plugin == nullptr) return refuse(Code::kUnavailable, fmt::format("{} gave nothing", kEntry));
  if (plugin->abi != DYNFLOW_PLUGIN_ABI) {
    return refuse(Code::kUnavailable, fmt::format("made for plugin interface {}, this is {}", plugin->abi, DYNFLOW_PLUGIN_ABI));
  }
  // The same file by another folder's name: the library is there once, and a second init() would pull its state from under the first.
  for (std::size_t at = 0; at < tables_.size(); ++at) {
    if (tables_[at] == plugin) return loaded_[at];
  }
  constexpr std::size_t kNeeded = offsetof(dynflow_plugin_api, init) + sizeof(dynflow_plugin_api::init);
  if (plugin->size < kNeeded || plugin->init == nullptr) {
    return refuse(Code::kUnavailable, fmt::format("its description has {} bytes, at least {} are needed", plugin->size, kNeeded));
  }
  if (const auto build = view(plugin->build_id); !build.empty() && build != kBuildId) {
    return refuse(Code::kUnavailable, fmt::format("made with build '{}', this is '{}'", build, kBuildId));
  }

  dynflow_text problem{nullptr, 0};
  const std::size_t features = host_->features().size();
  if (plugin->init(host_->api(), &problem) != 0) {
    host_->features().resize(features);
    return refuse(Code::kFailed, view(problem).empty() ? std::string_view("could not be initialised") : view(problem));
  }
  const bool has_stop = plugin->size >= offsetof(dynflow_plugin_api, stop) + sizeof(dynflow_plugin_api::stop);
  if (has_stop && plugin->stop != nullptr) stops_.push_back(plugin->stop);
  tables_.push_back(plugin);
  loaded_.push_back({std::string(view(plugin->name)), std::string(view(plugin->version))});
  return loaded_.back();
}

void Plugins::stop() {
  while (!stops_.empty()) {
    const auto stop_one = stops_.back();
    stops_.pop_back();
    stop_one();
  }
}

}  // namespace dynflow::plugin
