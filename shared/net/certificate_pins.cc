#include "shared/net/certificate_pins.h"

#include <algorithm>

#include "shared/base/letter_case.h"

namespace dynflow::net {
namespace {

bool contains(const std::vector<std::string>& list, const std::string& text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

}  // namespace

CertificatePins CertificatePins::of(std::vector<std::string> names, std::vector<std::string> keys) {
  CertificatePins pins;
  for (const std::string& name : names) pins.names_.push_back(lower_case(name));
  pins.keys_ = std::move(keys);
  return pins;
}

CertificatePins CertificatePins::of_serial(const PeerCertificate& certificate) {
  CertificatePins pins;
  pins.serial_ = certificate.serial();
  pins.issuer_ = certificate.issuer();
  return pins;
}

bool CertificatePins::admit(const PeerCertificate& certificate) const {
  if (is_by_serial()) return certificate.serial() == serial_ && certificate.issuer() == issuer_;
  if (contains(keys_, certificate.key_pin())) return true;
  if (names_.empty()) return false;
  const auto& common_name = certificate.common_name();
  if (common_name && contains(names_, lower_case(*common_name))) return true;
  const auto& others = certificate.alternative_names();
  return std::any_of(others.begin(), others.end(), [this](const std::string& name) { return contains(names_, lower_case(name)); });
}

}  // namespace dynflow::net
