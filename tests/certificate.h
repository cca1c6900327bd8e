// Certificates for the tests' servers and their clients: made at once, good for an hour.
#pragma once

#include <string>

namespace tipstaff {

struct CertificateOptions {
  /// For what it is good, as X.509 writes it: "IP:127.0.0.1,DNS:localhost"; empty: not said.
  std::string names = {};
  /// Name of the authority in the same folder that signs it; empty: it is one itself, signed by its own key.
  std::string issuer = {};
};

/// Writes NAME.key and NAME.pem into the folder.
void make_certificate(const std::string& folder, const std::string& name, const CertificateOptions& options = {});

}  // namespace tipstaff
