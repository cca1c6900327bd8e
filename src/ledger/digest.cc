#include "ledger/digest.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace tipstaff {
namespace {

const std::uint8_t* raw(std::string_view text) { return reinterpret_cast<const std::uint8_t*>(text.data()); }

using KeyHandle = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using ContextHandle = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

std::optional<Digest> digest_of(std::string_view bytes) {
  Digest digest{};
  if (bytes.size() != digest.size()) return std::nullopt;
  std::memcpy(digest.data(), bytes.data(), digest.size());
  return digest;
}

std::string to_hex(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return text;
}

std::optional<std::string> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = hex_value(text[i]);
    const int low = hex_value(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    bytes += static_cast<char>(high * 16 + low);
  }
  return bytes;
}

struct Hasher::Context {
  ContextHandle fresh{EVP_MD_CTX_new(), EVP_MD_CTX_free};  // initialised once, copied for each hash
  ContextHandle work{EVP_MD_CTX_new(), EVP_MD_CTX_free};
};

Hasher::Hasher() : context_(std::make_unique<Context>()) {
  EVP_DigestInit_ex(context_->fresh.get(), EVP_sha256(), nullptr);
}

Hasher::~Hasher() = default;

Digest Hasher::hash(std::string_view first, std::string_view second, std::string_view third) {
  Digest digest{};
  EVP_MD_CTX* const work = context_->work.get();
  EVP_MD_CTX_copy_ex(work, context_->fresh.get());
  for (const std::string_view part : {first, second, third}) EVP_DigestUpdate(work, part.data(), part.size());
  EVP_DigestFinal_ex(work, digest.data(), nullptr);
  return digest;
}

Digest Hasher::root(std::string_view leaves) {
  std::string level(leaves);
  const std::size_t size = sizeof(Digest);
  while (level.size() > size) {
    std::string above;
    std::size_t at = 0;
    for (; at + 2 * size <= level.size(); at += 2 * size) {
      above += bytes_of(hash("\1", std::string_view(level).substr(at, 2 * size)));
    }
    above += std::string_view(level).substr(at);
    level = std::move(above);
  }
  return digest_of(level).value_or(Digest{});
}

Digest Hasher::link(const Digest& before, std::span<const std::uint64_t> facts, const Digest& root) {
  std::string text = "\2";
  for (const std::uint64_t fact : facts) {
    for (unsigned shift = 64; shift > 0; shift -= 8) text += static_cast<char>((fact >> (shift - 8)) & 0xffU);
  }
  return hash(text, bytes_of(before), bytes_of(root));
}

Digest keyed_digest(std::string_view key, std::string_view text) {
  Digest digest{};
  unsigned size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), raw(text), text.size(), digest.data(), &size);
  return digest;
}

void fill_random(std::span<char> bytes) {
  if (RAND_bytes(reinterpret_cast<std::uint8_t*>(bytes.data()), static_cast<int>(bytes.size())) != 1) std::abort();
}

std::string random_uuid() {
  std::array<char, 16> bytes{};
  fill_random(bytes);
  bytes[6] = static_cast<char>((bytes[6] & 0x0f) | 0x40);
  bytes[8] = static_cast<char>((bytes[8] & 0x3f) | 0x80);
  const std::string hex = to_hex({bytes.data(), bytes.size()});
  return fmt::format("{}-{}-{}-{}-{}", hex.substr(0, 8), hex.substr(8, 4), hex.substr(12, 4), hex.substr(16, 4),
                     hex.substr(20));
}

Result<SigningKey> SigningKey::open(const std::string& path, bool& made) {
  SigningKey key;
  made = false;
  int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (file >= 0) {
    std::array<char, 33> bytes{};
    const ssize_t got = ::read(file, bytes.data(), bytes.size());
    ::close(file);
    if (got != 32) {
      return fail(ErrorKind::corrupt, "is not a signing key of 32 bytes: restore it, or move it away for a new one",
                  path);
    }
    key.seed_.assign(bytes.data(), 32);
  } else if (errno == ENOENT) {
    std::array<char, 32> bytes{};
    fill_random(bytes);
    key.seed_.assign(bytes.data(), bytes.size());
    const std::string fresh = path + ".new";  // a cut in the middle of writing leaves no short key
    ::unlink(fresh.c_str());
    file = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    const bool good = file >= 0 && ::write(file, bytes.data(), bytes.size()) == 32 && ::fsync(file) == 0;
    const int why = errno;
    if (file >= 0) ::close(file);
    if (!good || ::rename(fresh.c_str(), path.c_str()) != 0) {
      return fail(ErrorKind::unavailable, fmt::format("the signing key cannot be written: {}", std::strerror(why)),
                  path);
    }
    made = true;
  } else {
    return fail(errno == EACCES ? ErrorKind::denied : ErrorKind::unavailable,
                fmt::format("the signing key cannot be read: {}", std::strerror(errno)), path);
  }
  const KeyHandle handle(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, raw(key.seed_), 32), EVP_PKEY_free);
  std::array<std::uint8_t, 32> bytes{};
  std::size_t size = bytes.size();
  if (!handle || EVP_PKEY_get_raw_public_key(handle.get(), bytes.data(), &size) != 1) {
    return fail(ErrorKind::internal, "libcrypto knows no Ed25519", path);
  }
  key.public_.assign(reinterpret_cast<const char*>(bytes.data()), size);
  return key;
}

Result<std::string> SigningKey::sign(std::string_view text) const {
  const KeyHandle handle(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, raw(seed_), 32), EVP_PKEY_free);
  const ContextHandle context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  std::array<std::uint8_t, 64> bytes{};
  std::size_t size = bytes.size();
  if (!handle || EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, handle.get()) != 1 ||
      EVP_DigestSign(context.get(), bytes.data(), &size, raw(text), text.size()) != 1) {
    return fail(ErrorKind::internal, "libcrypto could not sign the ledger's head");
  }
  return std::string(reinterpret_cast<const char*>(bytes.data()), size);
}

bool signature_is_good(std::string_view public_key, std::string_view text, std::string_view signature) {
  if (public_key.size() != 32 || signature.size() != 64) return false;
  const KeyHandle handle(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, raw(public_key), 32), EVP_PKEY_free);
  const ContextHandle context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  return handle && EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, handle.get()) == 1 &&
         EVP_DigestVerify(context.get(), raw(signature), signature.size(), raw(text), text.size()) == 1;
}

}  // namespace tipstaff
