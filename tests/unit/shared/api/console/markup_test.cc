#include <catch2/catch.hpp>

#include "shared/api/console/flow_view.h"
#include "shared/api/console/html.h"
#include "shared/api/console/links.h"
#include "shared/api/console/readable.h"
#include "shared/json/json.h"

using namespace dynflow;
using namespace dynflow::api::console;

TEST_CASE("what is filled into markup stays text") {
  CHECK(escaped("a<b>&\"c'") == "a&lt;b&gt;&amp;&quot;c&#39;");
  CHECK(escaped("line\n\ttab\r") == "line\n\ttab\r");
  CHECK(escaped(std::string("\x1b[31mred\0", 9)) == "\u241b[31mred\u2400");
  CHECK(escaped("\x7f") == "\u2421");
  CHECK(escaped("abc\u202egpj.exe\u2066x") == "abc\ufffdgpj.exe\ufffdx");
  CHECK(escaped("\u20ac\u2603") == "\u20ac\u2603");
  CHECK(escaped("\xE2") == "\xE2");  // cut in the middle: nothing is read behind the end

  const Html inner("<b>{}</b>", "<i>");
  CHECK(Html("<p class=\"{}\">{}{} {}</p>", "\" onclick=\"x", inner, 42, "{}").text() ==
        "<p class=\"&quot; onclick=&quot;x\"><b>&lt;i&gt;</b>42 {}</p>");
  CHECK(Html().empty());
}

TEST_CASE("links are relative to the page, and nothing in an id leaves its segment") {
  CHECK(Links("/console").list() == "console/");
  CHECK(Links("/console.json").list() == "console/");
  CHECK(Links("/console/").list() == "./");
  CHECK(Links("/console/x").plan("y") == "./y");
  CHECK(Links("/console/x/resume").plan("y", "?notice=resumed") == "../y?notice=resumed");
  CHECK(Links("/console/x/actions/1/sub_plans").worlds() == "../../../worlds");
  CHECK(Links("/console/x").action("y", 3) == "./y/actions/3");
  CHECK(Links("/console/x").plan("javascript:alert(1)") == "./javascript%3Aalert%281%29");
  CHECK(Links("/console/x").plan("a/../b?c#d\"") == "./a%2F..%2Fb%3Fc%23d%22");
  CHECK(Links("/console/x").plan("..") == "./%2E%2E");
  CHECK(Links("/console/x").command("y z", "skip/3") == "./y%20z/skip/3");
}

TEST_CASE("JSON is shown as text, and cut between characters") {
  const Json document = *json::parse(R"({"script":"a\nb\n","n":1.5,"list":[1,{"x":null}],"empty":{},"none":"","t":true})");
  CHECK(readable(document, 1000) == "script: |\n  a\n  b\nn: 1.5\nlist:\n  - 1\n  -\n    x: null\nempty: {}\nnone: \"\"\nt: true\n");
  CHECK(readable(Json::object(), 1000).empty());
  CHECK(readable(*json::parse(R"({"a":"bcdef"})"), 5) == "a: bc\n... and more");
  CHECK(readable(*json::parse("{\"a\":\"\u20ac\u20ac\"}"), 5) == "a: \n... and more");
}

TEST_CASE("a flow is shown in windows, without empty boxes") {
  const auto flow = engine::Flow::parse(R"(["S",1,["C",2,["S",3,4]],5])");
  REQUIRE(flow.ok());
  const auto shown = [&](std::size_t first, std::size_t count) {
    return html_of(*flow, {first, count}, [](int id) { return Html("[{}]", id); }).text();
  };
  const std::string sequence = "<div class=\"sequence\" title=\"sequence\">";
  const std::string concurrence = "<div class=\"concurrence\" title=\"concurrence\">";
  CHECK(shown(0, 10) == sequence + "[1]" + concurrence + "[2]" + sequence + "[3][4]</div>\n</div>\n[5]</div>\n");
  CHECK(shown(0, 1) == sequence + "[1]</div>\n");
  CHECK(shown(3, 2) == sequence + concurrence + sequence + "[4]</div>\n</div>\n[5]</div>\n");
  CHECK(shown(5, 10).empty());
}
