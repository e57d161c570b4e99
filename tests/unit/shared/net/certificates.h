// Certificates for tests, made anew each run in a folder of their own.
//
// Threads: one.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

namespace dynflow::test {

class Certificates {
 public:
  enum class Key { kRsa, kEc };

  // Makes a CA.
  Certificates();
  ~Certificates();
  Certificates(const Certificates&) = delete;
  Certificates& operator=(const Certificates&) = delete;

  struct Files {
    std::string certificate;
    std::string key;
  };
  // Signed by the CA, valid for the DNS name `name` and 127.0.0.1. `organisation` goes in front of the CN.
  Files issue(const std::string& name, Key key = Key::kEc, long serial = 1, const std::string& organisation = {});
  Files self_signed(const std::string& name);
  std::string ca_file() const;

 private:
  std::filesystem::path folder_;
  struct Authority;
  std::unique_ptr<Authority> authority_;
  int count_ = 0;
};

}  // namespace dynflow::test
