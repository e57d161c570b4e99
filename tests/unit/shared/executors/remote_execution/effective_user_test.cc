#include "shared/executors/remote_execution/effective_user.h"

#include <catch2/catch.hpp>

namespace dynflow::remote_execution {
namespace {

EffectiveUser user(UserMethod method, const std::string& password) {
  EffectiveUser result;
  result.method = method;
  result.name = "o'brien";
  result.password = Secret(password);
  return result;
}

// `text` in pieces of `size` bytes.
std::string mask(const std::string& secret, const std::string& text, std::size_t size) {
  Masker masker{Secret(secret)};
  std::string out;
  for (std::size_t at = 0; at < text.size(); at += size) out += masker.feed(text.substr(at, size));
  return out + masker.finish();
}

}  // namespace

TEST_CASE("the method is taken only when the user changes") {
  CHECK(*user_method("", "root", "sudo") == UserMethod::kNone);
  CHECK(*user_method("root", "root", "nonsense") == UserMethod::kNone);
  CHECK(*user_method("a", "root", "sudo") == UserMethod::kSudo);
  CHECK(*user_method("a", "root", "dzdo") == UserMethod::kDzdo);
  CHECK(*user_method("a", "root", "su") == UserMethod::kSu);
  CHECK(user_method("a", "root", "doas").error().message() == "effective_user_method 'doas' not supported");
}

TEST_CASE("commands quote the user and the path") {
  CHECK(user(UserMethod::kNone, "").run_command("/a b") == "'/a b' < /dev/null");
  CHECK(user(UserMethod::kSudo, "").run_command("/a b") ==
        "sudo -p 'rex login: ' -u 'o'\\''brien' '/a b' < /dev/null");
  CHECK(user(UserMethod::kDzdo, "").run_command("/s") == "dzdo -u 'o'\\''brien' '/s' < /dev/null");
  CHECK(user(UserMethod::kSu, "").run_command("/s") ==
        "su - 'o'\\''brien' -c 'exec '\\''/s'\\'' < /dev/null'");
}

TEST_CASE("a password is masked however the text is cut") {
  const std::string text = "pw: abab, ababab aba\nab\xC3\xA4";
  for (std::size_t size = 1; size <= text.size(); ++size) {
    CHECK(mask("abab", text, size) == "pw: *****, *****ab aba\nab\xC3\xA4");
    CHECK(mask("p\xC3\xA4ss", "x p\xC3\xA4ss y", size) == "x ***** y");
    CHECK(mask("", text, size) == text);
  }
}

TEST_CASE("only what can begin the password is kept back") {
  Masker masker{Secret("secret")};
  CHECK(masker.feed("it is sec") == "it is ");
  CHECK(masker.feed("ond") == "second");
  CHECK(masker.feed("s") == "");
  CHECK(masker.finish() == "s");
}

TEST_CASE("sudo's prompt is answered once in the trial and never again without being asked") {
  const EffectiveUser sudo = user(UserMethod::kSudo, "pw");
  PromptFilter filter(sudo);
  CHECK_FALSE(filter.feed("We trust you\n\nrex lo").wants_password);
  const auto asked = filter.feed("gin: ");
  CHECK(asked.wants_password);
  CHECK_FALSE(asked.is_refused);
  CHECK(filter.has_asked());
  CHECK(filter.feed("\r\nSorry, try again.\n").output == "Sorry, try again.\n");
  const auto again = filter.feed("rex login: ");
  CHECK_FALSE(again.wants_password);
  CHECK(again.is_refused);
}

TEST_CASE("a prompt without a password to give is refused at once") {
  const EffectiveUser sudo = user(UserMethod::kSudo, "");
  PromptFilter filter(sudo);
  CHECK(filter.feed("rex login: ").is_refused);
}

TEST_CASE("the run is asked again by su, and its output is untouched but for the password") {
  const EffectiveUser su = user(UserMethod::kSu, "pw");
  PromptFilter filter(su);
  CHECK(filter.feed("Password: ").wants_password);
  filter.end_trial();
  CHECK(filter.feed("Pass").output == "");
  CHECK(filter.feed("word: ").wants_password);
  CHECK(filter.feed("\nfirst\nPassword: pw\n").output == "first\nPassword: *****\n");
}

TEST_CASE("who asked nothing in the trial is not looked at in the run") {
  const EffectiveUser sudo = user(UserMethod::kSudo, "pw");
  PromptFilter filter(sudo);
  filter.end_trial();
  const auto step = filter.feed("rex login: ");
  CHECK(step.output == "rex login: ");
  CHECK_FALSE(step.wants_password);
}

TEST_CASE("a run that does not ask again loses nothing") {
  const EffectiveUser sudo = user(UserMethod::kSudo, "pw");
  PromptFilter filter(sudo);
  filter.feed("rex login: ");
  filter.end_trial();
  CHECK(filter.feed("rex").output == "");
  CHECK(filter.feed(" rated\n").output == "rex rated\n");
  PromptFilter other(sudo);
  other.feed("rex login: ");
  other.end_trial();
  CHECK(other.feed("50%").output == "50%");
  CHECK(other.finish() == "");
}

}  // namespace dynflow::remote_execution
