#include "shared/persistence/postgres/values.h"

#include <bit>
#include <cassert>
#include <cmath>

namespace dynflow::persistence::postgres {
namespace {

// src/include/catalog/pg_type.dat
constexpr std::int32_t kBool = 16;
constexpr std::int32_t kInt8 = 20;
constexpr std::int32_t kText = 25;
constexpr std::int32_t kFloat8 = 701;

// Layout of an array: src/backend/utils/adt/arrayfuncs.c, array_recv.
constexpr std::size_t kHasNullsAt = 4;
constexpr std::size_t kCountAt = 12;

template <std::size_t kSize>
std::array<char, kSize> big_endian(std::uint64_t value) {
  std::array<char, kSize> bytes{};
  for (std::size_t i = 0; i < kSize; ++i) bytes[i] = static_cast<char>(value >> (8 * (kSize - 1 - i)));
  return bytes;
}

void append_int32(std::string& bytes, std::int32_t value) {
  bytes.append(big_endian<4>(static_cast<std::uint32_t>(value)).data(), 4);
}

// NaN, which SQLite takes for null, is 0 in both.
std::array<char, 8> float_bytes(double number) {
  return big_endian<8>(std::bit_cast<std::uint64_t>(std::isnan(number) ? 0.0 : number));
}

std::int32_t oid_of(char type) {
  switch (type) {
    case 't': return kText;
    case 'i': return kInt8;
    case 'f': return kFloat8;
    default: assert(type == 'b'); return kBool;
  }
}

}  // namespace

Column::Column(char type) {
  append_int32(bytes_, 1);  // dimensions
  append_int32(bytes_, 0);
  append_int32(bytes_, oid_of(type));
  append_int32(bytes_, 0);
  append_int32(bytes_, 1);  // first subscript
}

void Column::count_one() { bytes_.replace(kCountAt, 4, big_endian<4>(static_cast<std::uint32_t>(++count_)).data(), 4); }

void Column::add(std::string_view text) {
  append_int32(bytes_, static_cast<std::int32_t>(text.size()));
  bytes_.append(text);
  count_one();
}

void Column::add(std::int64_t number) {
  append_int32(bytes_, 8);
  bytes_.append(big_endian<8>(static_cast<std::uint64_t>(number)).data(), 8);
  count_one();
}

void Column::add(double number) {
  append_int32(bytes_, 8);
  bytes_.append(float_bytes(number).data(), 8);
  count_one();
}

void Column::add(bool value) {
  append_int32(bytes_, 1);
  bytes_.push_back(value ? '\1' : '\0');
  count_one();
}

void Column::add_null() {
  append_int32(bytes_, -1);
  bytes_[kHasNullsAt + 3] = '\1';
  count_one();
}

std::size_t Columns::byte_count() const {
  std::size_t total = 0;
  for (const Column& column : columns_) total += column.bytes().size();
  return total;
}

Parameter::Parameter(std::int64_t number) : own_(big_endian<8>(static_cast<std::uint64_t>(number))), own_size_(8) {}

Parameter::Parameter(double number) : own_(float_bytes(number)), own_size_(8) {}

Parameter::Parameter(bool value) : own_size_(1) { own_[0] = value ? '\1' : '\0'; }

}  // namespace dynflow::persistence::postgres
