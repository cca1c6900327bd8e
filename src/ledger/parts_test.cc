// The ledger's parts by themselves: bytes, digests, recent keys, passwords.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <map>
#include <random>
#include <tuple>

#include "ledger/digest.h"
#include "ledger/encode.h"
#include "ledger/recent.h"
#include "ledger/secret.h"
#include "ledger/testing.h"

namespace tipstaff {
namespace {

using namespace ledger_test;

TEST(LedgerBytes, NumbersComeBack) {
  std::string bytes;
  const std::uint64_t numbers[] = {0, 1, 127, 128, 300, UINT32_MAX, UINT64_MAX};
  const std::int64_t signed_numbers[] = {0, -1, 1, -64, 64, INT64_MIN, INT64_MAX};
  for (const auto value : numbers) put_number(bytes, value);
  for (const auto value : signed_numbers) put_signed(bytes, value);
  put_text(bytes, "text");
  ByteReader in(bytes);
  for (const auto value : numbers) EXPECT_EQ(in.number(), value);
  for (const auto value : signed_numbers) EXPECT_EQ(in.signed_number(), value);
  EXPECT_EQ(in.text(), "text");
  EXPECT_TRUE(in.ok() && in.at_end());
}

TEST(LedgerBytes, CutOffBytesAreAnError) {
  for (const std::string_view bytes : {"", "\x80", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
                                       "\x05"
                                       "abc"}) {
    ByteReader in(bytes);
    EXPECT_EQ(in.text(), "");
    EXPECT_FALSE(in.ok());
    EXPECT_EQ(in.number(), 0U);
  }
  EXPECT_FALSE(unpack_lines("no frame"));
  EXPECT_TRUE(unpack_ids("\x80").empty());
  EXPECT_TRUE(unpack_keys("\x05").empty());
}

TEST(LedgerBytes, AddressesAndNetworks) {
  for (const char* text : {"192.0.2.1", "2001:db8::1", "::", "255.255.255.255"}) {
    const auto address = IpAddress::parse(text);
    EXPECT_EQ(address_of(to_bytes(*address)), address) << text;
  }
  for (const char* text : {"192.0.2.0/24", "2001:db8::/32", "0.0.0.0/0", "::/0", "192.0.2.1"}) {
    const auto network = IpNetwork::parse(text);
    EXPECT_EQ(network_of(to_bytes(*network)), network) << text;
  }
  EXPECT_FALSE(network_of(std::string(16, '\0') + '\x81'));
  EXPECT_FALSE(network_of("short"));
  EXPECT_FALSE(address_of("short"));
}

TEST(LedgerBytes, RawLinesComeBackWholeOrInPart) {
  RawLines lines = {{"one", "two"}, {}, {std::string(70'000, 'x'), std::string("\0\n", 2)}, {"last"}};
  const std::string block = pack_lines(lines);
  const auto all = unpack_lines(block);
  ASSERT_TRUE(all);
  EXPECT_EQ(*all, lines);
  const auto some = unpack_lines(block, {1, 2});
  ASSERT_TRUE(some);
  EXPECT_EQ(*some, (RawLines{lines[1], lines[2]}));
}

TEST(LedgerBytes, KeysOfSeveralSources) {
  const std::vector<AttemptKey> keys = {{"a", 1, 2, 0}, {"a", 1, 3, 1}, {"b", 0, 0, 0}, {"a", 9, 9, 9}};
  EXPECT_EQ(unpack_keys(pack_keys(keys)), keys);
}

TEST(LedgerDigest, KnownValues) {
  Hasher hasher;
  // FIPS 180-4 examples; RFC 4231 test case 2.
  EXPECT_EQ(to_hex(bytes_of(hasher.hash("abc"))), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hasher.hash("a", "b", "c"), hasher.hash("abc"));
  EXPECT_EQ(to_hex(bytes_of(keyed_digest("Jefe", "what do ya want for nothing?"))),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(from_hex("0aff"), std::string("\x0a\xff"));
  EXPECT_FALSE(from_hex("0af"));
  EXPECT_FALSE(from_hex("0x"));
}

TEST(LedgerDigest, TheRootDependsOnEveryLeafAndTheirOrder) {
  Hasher hasher;
  for (std::size_t count = 1; count <= 9; ++count) {
    std::string leaves;
    for (std::size_t i = 0; i < count; ++i) leaves += bytes_of(hasher.hash(std::to_string(i)));
    const Digest root = hasher.root(leaves);
    for (std::size_t i = 0; i < count; ++i) {
      std::string changed = leaves;
      changed[i * 32] = static_cast<char>(changed[i * 32] ^ 1);
      EXPECT_NE(hasher.root(changed), root);
    }
    if (count > 1) {
      EXPECT_NE(hasher.root(leaves.substr(32) + leaves.substr(0, 32)), root);
    }
  }
}

TEST(LedgerDigest, TheKeyIsMadeOnceAndItsSignaturesHold) {
  const TempFolder folder;
  const std::string path = folder.path() + "/head.key";
  bool made = false;
  const auto key = SigningKey::open(path, made);
  ASSERT_TRUE(key) << key.error().message();
  EXPECT_TRUE(made);
  struct stat about{};
  ASSERT_EQ(::stat(path.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777U, 0600U);
  const auto again = SigningKey::open(path, made);
  ASSERT_TRUE(again);
  EXPECT_FALSE(made);
  EXPECT_EQ(again->public_key(), key->public_key());
  const auto signature = key->sign("text");
  ASSERT_TRUE(signature);
  EXPECT_TRUE(signature_is_good(again->public_key(), "text", *signature));
  EXPECT_FALSE(signature_is_good(again->public_key(), "texs", *signature));
  EXPECT_FALSE(signature_is_good(again->public_key(), "text", signature->substr(1)));
  EXPECT_NE(key->derive("a"), key->derive("b"));
  std::filesystem::resize_file(path, 31);
  EXPECT_EQ(SigningKey::open(path, made).error().kind, ErrorKind::corrupt);
}

TEST(RecentKeys, NeverSaysThatAKnownRowIsNew) {
  // Against a table of everything: a row that was added is found, or said to be possibly in the files.
  RecentKeys recent;
  std::map<std::tuple<std::uint32_t, std::uint64_t, std::uint32_t>, RecentKeys::Known> all;
  std::mt19937 random(7);
  const std::uint32_t sources[] = {recent.number_of("a"), recent.number_of("b")};
  EXPECT_EQ(recent.number_of("a"), sources[0]);
  std::uint64_t row = 0;
  std::uint64_t offset = 100;
  for (int i = 0; i < 100'000; ++i) {
    offset += 1 + random() % 3;
    const std::uint64_t at = offset - random() % 50;  // connections overlap
    const std::uint32_t source = sources[random() % 2];
    const RecentKeys::Known known{static_cast<std::uint32_t>(random() % 3), ++row};
    recent.add(source, {1, at}, 0, known);
    all[{source, at, 0}] = known;
  }
  std::size_t found = 0;
  for (const auto& [key, known] : all) {
    const auto& [source, at, index] = key;
    const auto got = recent.find(source, {1, at}, index);
    if (got) {
      EXPECT_EQ(got->row, known.row);
      ++found;
    } else {
      EXPECT_TRUE(recent.may_be_older(source, {1, at}));
    }
  }
  EXPECT_GE(found, RecentKeys::kHalf);
  EXPECT_LE(found, 2 * RecentKeys::kHalf);
  // What lies beyond everything is new without a look into the files.
  EXPECT_FALSE(recent.may_be_older(sources[0], {1, offset + 1}));
  EXPECT_FALSE(recent.may_be_older(sources[0], {2, 0}));
}

TEST(Passwords, AreToldFromNames) {
  const struct {
    const char* account;
    bool password;
  } cases[] = {
      {"Tr0ub4dor&3", true},
      {"correct!horse", true},
      {"Passw0rd", true},
      {"1234567890", true},
      {"P@ssw0rd!", true},
      {"hunter2#secret@example.com", true},
      {"root", false},
      {"administrator", false},
      {"anna.schmidt", false},
      {"WORKSTATION7$", false},
      {"EXAMPLE\\anna", false},
      {"anna@example.com", false},
      {"www-data", false},
      {"backup_2024", false},
      {"user12345678", false},
      {"12345678", false},
      {"", false},
      {"Anna Schmidt", false},
      {"\xc3\xa5sa.andersson", false},
      {"host/server.example.com", false},
      {"a!b", false},
  };
  for (const auto& [account, password] : cases) EXPECT_EQ(looks_like_password(account), password) << account;
}

TEST(Passwords, LeaveAShapeAndADigest) {
  EXPECT_EQ(shape_of("Tr0ub4dor&3"), "11 characters: upper, lower, digits, signs");
  EXPECT_EQ(shape_of("1234567890"), "10 characters: digits");
  EXPECT_EQ(strike_out("for x from x: xx", "x", "<>"), "for <> from <>: <><>");
  EXPECT_EQ(strike_out("nothing", "x", "<>"), "nothing");
  const std::string stored = stored_password("Tr0ub4dor&3", "key");
  EXPECT_EQ(stored, stored_password("Tr0ub4dor&3", "key"));
  EXPECT_NE(stored, stored_password("Tr0ub4dor&3", "other"));
  EXPECT_EQ(stored.find("Tr0"), std::string::npos);
  EXPECT_TRUE(read_account(stored).hidden);
  EXPECT_EQ(read_account(stored).text, "11 characters: upper, lower, digits, signs");
  EXPECT_EQ(read_account(stored_name("root")).text, "root");
  EXPECT_FALSE(read_account(stored_name("hello world, a long name")).hidden);
  EXPECT_EQ(read_account("").text, "");
}

}  // namespace
}  // namespace tipstaff
