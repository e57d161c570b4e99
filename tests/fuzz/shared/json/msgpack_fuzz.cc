// Cells of Ruby databases.
#include "shared/json/msgpack.h"
#include "tests/fuzz/shared/json/json_promise.h"

void fuzz(std::string_view bytes) { check_document(dynflow::json::parse_msgpack(bytes, small_limits())); }
