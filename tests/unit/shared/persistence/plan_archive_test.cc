#include "shared/persistence/plan_archive.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "tests/unit/shared/persistence/csv_folder.h"

namespace dynflow::persistence {
namespace {

PlanArchive::Row chunk(std::string_view plan, std::string_view text) {
  return {plan, "1", "1", "stdout", "1795329946123456", text};
}

void keep_one(PlanArchive& archive, std::string_view plan, std::string_view text = "text") {
  REQUIRE(archive.begin().ok());
  REQUIRE(archive.add(PlanArchive::kChunks, chunk(plan, text)).ok());
  REQUIRE(archive.sync().ok());
  archive.keep();
}

const char kHeader[] = "execution_plan_uuid,action_id,sequence,kind,timestamp,chunk\n";
const char kFile[] = "20260101/output_chunks.csv";

}  // namespace

TEST_CASE("the archive has a folder a day and a header a file", "[persistence]") {
  const CsvFolder folder;
  VirtualClock clock;
  PlanArchive archive(folder.file("deep/er"), clock);
  keep_one(archive, "a");
  keep_one(archive, "b");
  clock.advance(std::chrono::hours(24));
  keep_one(archive, "c");
  const std::string row = ",1,1,stdout,2026-11-22 06:45:46.123456,text\n";
  CHECK(folder.text("deep/er/20260101/output_chunks.csv") == kHeader + ("a" + row) + "b" + row);
  CHECK(folder.text("deep/er/20260102/output_chunks.csv") == kHeader + ("c" + row));
  struct stat info {};
  REQUIRE(::stat(folder.file("deep/er/20260101/output_chunks.csv").c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0640);
  REQUIRE(::stat(folder.file("deep/er").c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0750);
}

TEST_CASE("the archive takes a portion back whose plans were not deleted", "[persistence]") {
  const CsvFolder folder;
  VirtualClock clock;
  PlanArchive archive(folder.path(), clock);
  keep_one(archive, "kept");
  const std::string before = folder.text(kFile);
  REQUIRE(archive.begin().ok());
  REQUIRE(archive.add(PlanArchive::kChunks, chunk("not deleted", std::string(1'000'000, 'x'))).ok());
  SECTION("synced") { REQUIRE(archive.sync().ok()); }
  SECTION("not synced") {}
  archive.roll_back();
  CHECK(folder.text(kFile) == before);
  archive.roll_back();
  keep_one(archive, "next");
  CHECK(folder.rows("output_chunks.csv").size() == 2);
}

TEST_CASE("the archive goes on behind the last whole row", "[persistence]") {
  const CsvFolder folder;
  VirtualClock clock;
  {
    PlanArchive archive(folder.path(), clock);
    keep_one(archive, "first", "a \"quoted\"\ntext");
  }
  const std::string whole = folder.text(kFile);
  // What a process may leave that is killed.
  const std::string torn = GENERATE("", "x", "second,1,1,stdout,2026-", "second,1,1,stdout,,\"begun\nand not", "a,\"b\"\"");
  CAPTURE(torn);
  std::ofstream(folder.file(kFile), std::ios::app) << torn;
  PlanArchive archive(folder.path(), clock);
  keep_one(archive, "third");
  CHECK(folder.text(kFile) == whole + "third,1,1,stdout,2026-11-22 06:45:46.123456,text\n");
}

TEST_CASE("one process at a time writes to the archive", "[persistence]") {
  const CsvFolder folder;
  VirtualClock clock;
  PlanArchive one(folder.path(), clock);
  PlanArchive other(folder.path(), clock);
  REQUIRE(one.begin().ok());
  const Status refused = other.begin();
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code() == Code::kUnavailable);
  CHECK_THAT(refused.error().message(), Catch::Contains("another process") && Catch::Contains(folder.path()));
  one.roll_back();
  keep_one(other, "a");
  keep_one(one, "b");
  keep_one(other, "c");
  CHECK(folder.rows("output_chunks.csv").size() == 3);
}

TEST_CASE("an archive that cannot be written says where", "[persistence]") {
  const CsvFolder folder;
  std::ofstream(folder.file("20260101")) << "in the way";
  VirtualClock clock;
  PlanArchive archive(folder.path(), clock);
  const Status refused = archive.begin();
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code() == Code::kUnavailable);
  CHECK_THAT(refused.error().message(), Catch::Contains(folder.file("20260101")));
  CHECK_FALSE(archive.sync().ok());
}

}  // namespace dynflow::persistence
