// What a core answers to the questions of a hand-over: numbers are in range, and ids are only those that were asked about or listed.
//
// The first byte picks the status, the rest is the body of every answer.
#include <array>

#include "proxy/dynflow/side_questions.h"
#include "tests/fuzz/target.h"

using namespace dynflow;
using namespace dynflow::proxy;

namespace {

class Side final : public Backend {
 public:
  Side(int status, std::string_view body) : status_(status), body_(body) {}

  Status start() override { return {}; }
  void stop(Deadline) override {}
  void interrupt() override {}
  http::Response handle(http::Request& request, std::string_view path) override { return answer(request, path, kMount); }
  http::Response answer(http::Request&, std::string_view, std::string_view) override {
    http::Response response;
    response.status = status_;
    response.body = body_;
    return response;
  }
  std::vector<std::string> operations() const override { return {}; }
  std::vector<core::FeatureInfo> features() const override { return {}; }
  std::vector<core::FailedPlugin> failed_plugins() const override { return {}; }

 private:
  const int status_;
  const std::string body_;
};

}  // namespace

void fuzz(std::string_view bytes) {
  if (bytes.empty()) return;
  constexpr std::array<int, 4> kStatuses = {200, 404, 500, 503};
  Side side(kStatuses[static_cast<unsigned char>(bytes[0]) % kStatuses.size()], bytes.substr(1));
  const Deadline deadline = Deadline::after(std::chrono::seconds(10));

  const auto count = count_tasks(side, "all", deadline);
  if (count) fuzz_check(*count >= 0);
  const auto unfinished = unfinished_tasks(side, 10, deadline);
  if (unfinished) {
    fuzz_check(unfinished->tasks >= 0 && unfinished->callbacks >= 0);
    fuzz_check(unfinished->lists_ids || unfinished->task_ids.empty());
  }
  const std::vector<std::string> ids = {"a", "b"};
  const auto known = known_tasks(side, ids, deadline);
  const auto left = still_unfinished(side, ids, deadline);
  fuzz_check(known.ok() == left.ok());
  if (left) fuzz_check(left->size() <= known->size());
}
