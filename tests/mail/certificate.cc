#include "tests/mail/certificate.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <memory>

namespace tipstaff {
namespace {

using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

void add_extension(X509* certificate, int kind, const std::string& value) {
  X509_EXTENSION* const made = X509V3_EXT_conf_nid(nullptr, nullptr, kind, value.c_str());
  ASSERT_NE(made, nullptr) << value;
  X509_add_ext(certificate, made, -1);
  X509_EXTENSION_free(made);
}

}  // namespace

void make_server_certificate(const std::string& folder, const std::string& name, const std::string& names) {
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  const std::unique_ptr<X509, decltype(&X509_free)> made(X509_new(), X509_free);
  X509_set_version(made.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(made.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(made.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), 3600);
  X509_set_pubkey(made.get(), key.get());
  X509_NAME* const subject = X509_get_subject_name(made.get());
  const auto* const text = reinterpret_cast<const unsigned char*>(name.c_str());
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, text, -1, -1, 0);
  X509_set_issuer_name(made.get(), subject);
  add_extension(made.get(), NID_basic_constraints, "critical,CA:TRUE");
  add_extension(made.get(), NID_subject_alt_name, names);
  ASSERT_GT(X509_sign(made.get(), key.get(), EVP_sha256()), 0);
  const auto open = [&](const std::string& end) {
    return File(std::fopen((folder + "/" + name + end).c_str(), "w"), std::fclose);
  };
  ASSERT_EQ(PEM_write_X509(open(".pem").get(), made.get()), 1);
  ASSERT_EQ(PEM_write_PrivateKey(open(".key").get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr), 1);
}

}  // namespace tipstaff
