#include "shared/log/buffer.h"

#include "shared/log/text.h"

namespace dynflow::log {

std::unique_ptr<Buffer::Record> Buffer::Ring::push(Record record) {
  if (records_.size() < size_) {
    records_.push_back(std::move(record));
    return nullptr;
  }
  auto evicted = std::make_unique<Record>(std::exchange(records_[oldest_], std::move(record)));
  oldest_ = (oldest_ + 1) % size_;
  return evicted;
}

void Buffer::Ring::append_to(std::vector<Record>& out, Time from) const {
  for (std::size_t i = 0; i < records_.size(); ++i) {
    const Record& record = records_[(oldest_ + i) % records_.size()];
    if (record.time >= from) out.push_back(record);
  }
}

Result<std::shared_ptr<Buffer>> Buffer::create(std::size_t size, std::size_t tail_size) {
  if (size <= 1 || tail_size <= 1) return Error(Code::kInvalid, "size of a log buffer must be greater than one");
  return std::shared_ptr<Buffer>(new Buffer(size, tail_size));
}

void Buffer::push(Record record) {
  record.message = cut_text(std::move(record.message), kLongestText);
  record.backtrace = cut_text(std::move(record.backtrace), kLongestText);
  const std::lock_guard lock(mutex_);
  if (auto evicted = main_.push(std::move(record)); evicted && evicted->level >= kTailLevel) {
    tail_.push(std::move(*evicted));
  }
}

std::vector<Buffer::Record> Buffer::records(Time from) const {
  std::vector<Record> out;
  const std::lock_guard lock(mutex_);
  tail_.append_to(out, from);
  main_.append_to(out, from);
  return out;
}

Buffer::Info Buffer::info() const {
  const std::lock_guard lock(mutex_);
  return {main_.size(), tail_.size(), failed_modules_};
}

void Buffer::set_failed_module(const std::string& name, const std::string& reason) {
  const std::lock_guard lock(mutex_);
  failed_modules_[name] = reason;
}

void Buffer::clear_failed_module(const std::string& name) {
  const std::lock_guard lock(mutex_);
  failed_modules_.erase(name);
}

}  // namespace dynflow::log
