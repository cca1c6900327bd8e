#include "tests/certificate.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <memory>

namespace tipstaff {
namespace {

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;
using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

void add_extension(X509* certificate, int kind, const std::string& value) {
  X509_EXTENSION* const made = X509V3_EXT_conf_nid(nullptr, nullptr, kind, value.c_str());
  ASSERT_NE(made, nullptr) << value;
  X509_add_ext(certificate, made, -1);
  X509_EXTENSION_free(made);
}

}  // namespace

void make_certificate(const std::string& folder, const std::string& name, const CertificateOptions& options) {
  const Key key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  const Certificate made(X509_new(), X509_free);
  X509_set_version(made.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(made.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(made.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), 3600);
  X509_set_pubkey(made.get(), key.get());
  X509_NAME* const subject = X509_get_subject_name(made.get());
  const auto* const text = reinterpret_cast<const unsigned char*>(name.c_str());
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, text, -1, -1, 0);
  add_extension(made.get(), NID_basic_constraints, options.issuer.empty() ? "critical,CA:TRUE" : "CA:FALSE");
  if (!options.names.empty()) add_extension(made.get(), NID_subject_alt_name, options.names);
  const auto open = [&folder](const std::string& file, const char* mode) {
    return File(std::fopen((folder + "/" + file).c_str(), mode), std::fclose);
  };
  if (options.issuer.empty()) {
    X509_set_issuer_name(made.get(), subject);
    ASSERT_GT(X509_sign(made.get(), key.get(), EVP_sha256()), 0);
  } else {
    const Certificate above(PEM_read_X509(open(options.issuer + ".pem", "r").get(), nullptr, nullptr, nullptr),
                            X509_free);
    const Key signer(PEM_read_PrivateKey(open(options.issuer + ".key", "r").get(), nullptr, nullptr, nullptr),
                     EVP_PKEY_free);
    X509_set_issuer_name(made.get(), X509_get_subject_name(above.get()));
    ASSERT_GT(X509_sign(made.get(), signer.get(), EVP_sha256()), 0);
  }
  ASSERT_EQ(PEM_write_X509(open(name + ".pem", "w").get(), made.get()), 1);
  ASSERT_EQ(PEM_write_PrivateKey(open(name + ".key", "w").get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr), 1);
}

}  // namespace tipstaff
