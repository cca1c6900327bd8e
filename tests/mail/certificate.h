// Certificates for the servers of the tests: made at once, good for an hour, for the names that are asked for.
#pragma once

#include <string>

namespace tipstaff {

/// Writes NAME.key and NAME.pem into the folder: its own authority, for `names` as in X.509 ("IP:127.0.0.1,DNS:localhost").
void make_server_certificate(const std::string& folder, const std::string& name,
                             const std::string& names = "IP:127.0.0.1,DNS:localhost");

}  // namespace tipstaff
