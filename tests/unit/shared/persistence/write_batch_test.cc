#include <catch2/catch.hpp>

#include "shared/persistence/store.h"

namespace dynflow::persistence {

TEST_CASE("batches are joined in order", "[persistence]") {
  WriteBatch first;
  CHECK(first.empty());
  WriteBatch second;
  second.add(WriteBatch::DeleteEvent{"1"});
  second.add(WriteBatch::DeleteEvent{"2"});
  first.add(std::move(second));
  WriteBatch third;
  third.add(WriteBatch::DeleteOutbox{"3"});
  first.add(std::move(third));
  first.add(WriteBatch());
  REQUIRE(first.size() == 3);
  CHECK(std::get<WriteBatch::DeleteEvent>(first.changes()[0]).event_id == "1");
  CHECK(std::get<WriteBatch::DeleteEvent>(first.changes()[1]).event_id == "2");
  CHECK(std::get<WriteBatch::DeleteOutbox>(first.changes()[2]).entry_id == "3");
}

}  // namespace dynflow::persistence
