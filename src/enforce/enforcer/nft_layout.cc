#include "enforce/enforcer/nft_layout.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <libnftnl/chain.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <linux/netfilter/nf_tables.h>
#include <netinet/in.h>

#include <array>
#include <memory>
#include <span>

namespace tipstaff::nft {
namespace {

// Behind conntrack (-200), whose word on the direction is needed; before mangle (-150), filter (0) and what Docker adds.
constexpr std::int32_t kPriority = -160;

// Registers: the first holds the address; behind it stand protocol and port, so that the three make a key.
constexpr std::uint32_t kAddress = NFT_REG_1;
constexpr std::uint32_t kScratch = NFT_REG_4;
std::uint32_t protocol_register(bool v6) { return v6 ? NFT_REG32_04 : NFT_REG32_01; }
std::uint32_t port_register(bool v6) { return v6 ? NFT_REG32_05 : NFT_REG32_02; }

std::string check_chain(bool v6) { return v6 ? "check6" : "check4"; }
std::string drop_chain(const BlockShape& shape) {
  return fmt::format("{}drop{}_{}", shape.service ? "service_" : "", shape.v6 ? 6 : 4, shape.bits);
}

// --- rules: one expression after the other -----------------------------------------------------------------------------

class Rule {
 public:
  explicit Rule(const std::string& chain) : rule_(nftnl_rule_alloc(), nftnl_rule_free) {
    nftnl_rule_set_str(rule_.get(), NFTNL_RULE_TABLE, kTable);
    nftnl_rule_set_str(rule_.get(), NFTNL_RULE_CHAIN, chain.c_str());
    nftnl_rule_set_u32(rule_.get(), NFTNL_RULE_FAMILY, NFPROTO_INET);
  }

  Rule& meta(std::uint32_t key, std::uint32_t to) {
    nftnl_expr* const added = add("meta");
    nftnl_expr_set_u32(added, NFTNL_EXPR_META_KEY, key);
    nftnl_expr_set_u32(added, NFTNL_EXPR_META_DREG, to);
    return *this;
  }
  Rule& conntrack(std::uint32_t key, std::uint32_t to) {
    nftnl_expr* const added = add("ct");
    nftnl_expr_set_u32(added, NFTNL_EXPR_CT_KEY, key);
    nftnl_expr_set_u32(added, NFTNL_EXPR_CT_DREG, to);
    return *this;
  }
  Rule& original(std::uint32_t key, std::uint32_t to) {  // of the tuple before any translation
    conntrack(key, to);
    nftnl_expr_set_u8(last_, NFTNL_EXPR_CT_DIR, IP_CT_DIR_ORIGINAL);
    return *this;
  }
  Rule& payload(std::uint32_t base, std::uint32_t offset, std::uint32_t size, std::uint32_t to) {
    nftnl_expr* const added = add("payload");
    nftnl_expr_set_u32(added, NFTNL_EXPR_PAYLOAD_BASE, base);
    nftnl_expr_set_u32(added, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
    nftnl_expr_set_u32(added, NFTNL_EXPR_PAYLOAD_LEN, size);
    nftnl_expr_set_u32(added, NFTNL_EXPR_PAYLOAD_DREG, to);
    return *this;
  }
  Rule& mask(std::uint32_t at, std::span<const std::uint8_t> bits) {
    static constexpr std::array<std::uint8_t, 16> kZero{};
    const auto size = static_cast<std::uint32_t>(bits.size());
    nftnl_expr* const added = add("bitwise");
    nftnl_expr_set_u32(added, NFTNL_EXPR_BITWISE_SREG, at);
    nftnl_expr_set_u32(added, NFTNL_EXPR_BITWISE_DREG, at);
    nftnl_expr_set_u32(added, NFTNL_EXPR_BITWISE_OP, NFT_BITWISE_BOOL);
    nftnl_expr_set_u32(added, NFTNL_EXPR_BITWISE_LEN, size);
    nftnl_expr_set(added, NFTNL_EXPR_BITWISE_MASK, bits.data(), size);
    nftnl_expr_set(added, NFTNL_EXPR_BITWISE_XOR, kZero.data(), size);
    return *this;
  }
  Rule& mask32(std::uint32_t at, std::uint32_t bits) {  // of a number in the machine's order
    return mask(at, {reinterpret_cast<const std::uint8_t*>(&bits), sizeof bits});
  }
  Rule& compare(std::uint32_t operation, std::uint32_t at, const void* value, std::uint32_t size) {
    nftnl_expr* const added = add("cmp");
    nftnl_expr_set_u32(added, NFTNL_EXPR_CMP_SREG, at);
    nftnl_expr_set_u32(added, NFTNL_EXPR_CMP_OP, operation);
    nftnl_expr_set(added, NFTNL_EXPR_CMP_DATA, value, size);
    return *this;
  }
  Rule& is_byte(std::uint32_t at, std::uint8_t value) { return compare(NFT_CMP_EQ, at, &value, 1); }
  Rule& is_set(std::uint32_t at) {
    static constexpr std::uint32_t kZero = 0;
    return compare(NFT_CMP_NEQ, at, &kZero, sizeof kZero);
  }
  Rule& lookup(const std::string& set) {
    nftnl_expr* const added = add("lookup");
    nftnl_expr_set_u32(added, NFTNL_EXPR_LOOKUP_SREG, kAddress);
    nftnl_expr_set_str(added, NFTNL_EXPR_LOOKUP_SET, set.c_str());
    return *this;
  }
  Rule& count(const std::string& set) {
    nftnl_expr* const added = add("dynset");
    nftnl_expr_set_u32(added, NFTNL_EXPR_DYNSET_SREG_KEY, kAddress);
    nftnl_expr_set_u32(added, NFTNL_EXPR_DYNSET_OP, NFT_DYNSET_OP_UPDATE);
    nftnl_expr_set_str(added, NFTNL_EXPR_DYNSET_SET_NAME, set.c_str());
    nftnl_expr* const counter = nftnl_expr_alloc("counter");
    nftnl_expr_add_expr(added, NFTNL_EXPR_DYNSET_EXPR, counter);
    return *this;
  }
  Rule& verdict(int code, const std::string& chain = {}) {
    nftnl_expr* const added = add("immediate");
    nftnl_expr_set_u32(added, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
    nftnl_expr_set_u32(added, NFTNL_EXPR_IMM_VERDICT, static_cast<std::uint32_t>(code));
    if (!chain.empty()) nftnl_expr_set_str(added, NFTNL_EXPR_IMM_CHAIN, chain.c_str());
    return *this;
  }

  Rule& source(bool v6) { return payload(NFT_PAYLOAD_NETWORK_HEADER, v6 ? 8 : 12, v6 ? 16 : 4, kAddress); }
  /// Source address under the shape's mask.
  Rule& network(const BlockShape& shape) {
    source(shape.v6);
    std::array<std::uint8_t, 16> bits{};
    const std::size_t size = shape.v6 ? 16 : 4;
    if (shape.bits == size * 8) return *this;
    for (std::size_t i = 0; i < size; ++i) {
      const unsigned left = shape.bits > i * 8 ? shape.bits - static_cast<unsigned>(i) * 8 : 0;
      bits.at(i) = static_cast<std::uint8_t>(left >= 8 ? 0xffU : 0xff00U >> left);
    }
    return mask(kAddress, std::span(bits).first(size));
  }
  Rule& protocol(const BlockShape& shape) { return meta(NFT_META_L4PROTO, protocol_register(shape.v6)); }
  /// The whole key of a shape, with the port that the packet names.
  Rule& key(const BlockShape& shape) {
    network(shape);
    if (!shape.service) return *this;
    return protocol(shape).payload(NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, port_register(shape.v6));
  }
  /// The same with the port that was asked for, before this machine led the connection on to another.
  Rule& translated_key(const BlockShape& shape) {
    static constexpr std::uint32_t kDestinationTranslated = IPS_DST_NAT;
    conntrack(NFT_CT_STATUS, kScratch).mask32(kScratch, kDestinationTranslated).is_set(kScratch);
    network(shape).protocol(shape);
    return original(NFT_CT_PROTO_DST, port_register(shape.v6));
  }

  void put(NetlinkMessages& batch) {
    nlmsghdr* const message = batch.begin(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, NFPROTO_INET);
    nftnl_rule_nlmsg_build_payload(message, rule_.get());
    batch.end();
  }

 private:
  nftnl_expr* add(const char* name) {
    last_ = nftnl_expr_alloc(name);
    nftnl_rule_add_expr(rule_.get(), last_);
    return last_;
  }

  std::unique_ptr<nftnl_rule, decltype(&nftnl_rule_free)> rule_;
  nftnl_expr* last_ = nullptr;
};

constexpr std::uint32_t bit_of_state(unsigned info) { return 1U << (info % IP_CT_IS_REPLY + 1); }
constexpr std::uint32_t kUntracked = 1U << 6U;

// --- sets and chains ---------------------------------------------------------------------------------------------------

// Numbers of nft(8), by which it shows a set's keys; the kernel does not look at them.
constexpr std::uint32_t kTypeIpv4 = 7;
constexpr std::uint32_t kTypeIpv6 = 8;
constexpr std::uint32_t kTypeProtocol = 12;
constexpr std::uint32_t kTypePort = 13;

std::uint32_t key_type(const BlockShape& shape) {
  const std::uint32_t address = shape.v6 ? kTypeIpv6 : kTypeIpv4;
  return shape.service ? address << 12U | kTypeProtocol << 6U | kTypePort : address;
}

void put_set(NetlinkMessages& batch, const std::string& name, const BlockShape& shape, std::uint32_t flags,
             std::uint32_t most = 0) {
  const std::unique_ptr<nftnl_set, decltype(&nftnl_set_free)> set(nftnl_set_alloc(), nftnl_set_free);
  nftnl_set_set_str(set.get(), NFTNL_SET_TABLE, kTable);
  nftnl_set_set_str(set.get(), NFTNL_SET_NAME, name.c_str());
  nftnl_set_set_u32(set.get(), NFTNL_SET_FAMILY, NFPROTO_INET);
  nftnl_set_set_u32(set.get(), NFTNL_SET_FLAGS, flags);
  nftnl_set_set_u32(set.get(), NFTNL_SET_KEY_TYPE, key_type(shape));
  nftnl_set_set_u32(set.get(), NFTNL_SET_KEY_LEN, key_size(shape));
  nftnl_set_set_u32(set.get(), NFTNL_SET_ID, static_cast<std::uint32_t>(batch.count()));
  if (most != 0) nftnl_set_set_u32(set.get(), NFTNL_SET_DESC_SIZE, most);
  nlmsghdr* const message = batch.begin(NFT_MSG_NEWSET, NLM_F_CREATE | NLM_F_EXCL, NFPROTO_INET);
  nftnl_set_nlmsg_build_payload(message, set.get());
  batch.end();
}

void put_chain(NetlinkMessages& batch, const std::string& name, std::uint32_t hook = NF_INET_NUMHOOKS) {
  const std::unique_ptr<nftnl_chain, decltype(&nftnl_chain_free)> chain(nftnl_chain_alloc(), nftnl_chain_free);
  nftnl_chain_set_str(chain.get(), NFTNL_CHAIN_TABLE, kTable);
  nftnl_chain_set_str(chain.get(), NFTNL_CHAIN_NAME, name.c_str());
  nftnl_chain_set_u32(chain.get(), NFTNL_CHAIN_FAMILY, NFPROTO_INET);
  if (hook != NF_INET_NUMHOOKS) {
    nftnl_chain_set_str(chain.get(), NFTNL_CHAIN_TYPE, "filter");
    nftnl_chain_set_u32(chain.get(), NFTNL_CHAIN_HOOKNUM, hook);
    nftnl_chain_set_s32(chain.get(), NFTNL_CHAIN_PRIO, kPriority);
    nftnl_chain_set_u32(chain.get(), NFTNL_CHAIN_POLICY, NF_ACCEPT);
  }
  nlmsghdr* const message = batch.begin(NFT_MSG_NEWCHAIN, NLM_F_CREATE, NFPROTO_INET);
  nftnl_chain_nlmsg_build_payload(message, chain.get());
  batch.end();
}

// A packet counts that would open a connection: of TCP only the SYN, since a stray segment of an old connection looks new to
// conntrack. The last rule drops whatever came of counting.
template <class PutKey>
void put_drop_chain(NetlinkMessages& batch, const std::string& chain, const std::string& counts,
                    const PutKey& put_key) {
  static constexpr std::uint8_t kSyn = 0x02;
  static constexpr std::array<std::uint8_t, 1> kFinSynRstAck{0x17};
  put_chain(batch, chain);
  Rule(chain)
      .meta(NFT_META_L4PROTO, kScratch)
      .is_byte(kScratch, IPPROTO_TCP)
      .payload(NFT_PAYLOAD_TRANSPORT_HEADER, 13, 1, kScratch)
      .mask(kScratch, kFinSynRstAck)
      .compare(NFT_CMP_NEQ, kScratch, &kSyn, 1)
      .verdict(NF_DROP)
      .put(batch);
  Rule counted(chain);
  counted.conntrack(NFT_CT_STATE, kScratch).mask32(kScratch, bit_of_state(IP_CT_NEW) | kUntracked).is_set(kScratch);
  put_key(counted);
  counted.count(counts).put(batch);
  Rule(chain).verdict(NF_DROP).put(batch);
}

void put_table(NetlinkMessages& batch, std::uint16_t type, std::uint16_t flags) {
  nlmsghdr* const message = batch.begin(type, flags, NFPROTO_INET);
  mnl_attr_put_strz(message, NFTA_TABLE_NAME, kTable);
  if (type == NFT_MSG_NEWTABLE) mnl_attr_put_u32(message, NFTA_TABLE_FLAGS, 0);
  batch.end();
}

}  // namespace

std::string set_name(const BlockShape& shape) {
  return fmt::format("{}{}_{}", shape.service ? "service" : "block", shape.v6 ? 6 : 4, shape.bits);
}

std::string count_name(const BlockShape& shape) {
  return fmt::format("{}dropped{}_{}", shape.service ? "service_" : "", shape.v6 ? 6 : 4, shape.bits);
}

std::uint32_t key_size(const BlockShape& shape) { return (shape.v6 ? 16U : 4U) + (shape.service ? 8U : 0U); }

void put_no_table(NetlinkMessages& batch) {
  put_table(batch, NFT_MSG_NEWTABLE, NLM_F_CREATE);  // so that there is one to delete
  put_table(batch, NFT_MSG_DELTABLE, 0);
}

void put_new_table(NetlinkMessages& batch) {
  put_no_table(batch);
  put_table(batch, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL);
}

void put_no_chain(NetlinkMessages& batch, const std::string& chain) {
  nlmsghdr* const message = batch.begin(NFT_MSG_DELCHAIN, 0, NFPROTO_INET);
  mnl_attr_put_strz(message, NFTA_CHAIN_TABLE, kTable);
  mnl_attr_put_strz(message, NFTA_CHAIN_NAME, chain.c_str());
  batch.end();
}

void put_chains(NetlinkMessages& batch) {
  for (const char* const name : {"check4", "check6", "check"}) put_chain(batch, name);
  put_chain(batch, "input", NF_INET_LOCAL_IN);
  put_chain(batch, "forward", NF_INET_FORWARD);
}

void put_allow_sets(NetlinkMessages& batch) {
  put_set(batch, kAllow4, {.v6 = false}, NFT_SET_INTERVAL);
  put_set(batch, kAllow6, {.v6 = true}, NFT_SET_INTERVAL);
}

void put_no_rules(NetlinkMessages& batch) {
  nlmsghdr* const message = batch.begin(NFT_MSG_DELRULE, 0, NFPROTO_INET);
  mnl_attr_put_strz(message, NFTA_RULE_TABLE, kTable);
  batch.end();
}

void put_rules(NetlinkMessages& batch, bool keep_established) {
  for (const char* const base : {"input", "forward"}) Rule(base).verdict(NFT_JUMP, "check").put(batch);
  static constexpr std::array<char, 16> kLoopback{'l', 'o'};
  Rule("check")
      .meta(NFT_META_IIFNAME, kScratch)
      .compare(NFT_CMP_EQ, kScratch, kLoopback.data(), 16)
      .verdict(NFT_RETURN)
      .put(batch);
  // without conntrack's word on a packet the rule ends here, and the packet goes on to the next
  Rule("check").conntrack(NFT_CT_DIRECTION, kScratch).is_byte(kScratch, IP_CT_DIR_REPLY).verdict(NFT_RETURN).put(batch);
  if (keep_established) {
    Rule("check")
        .conntrack(NFT_CT_STATE, kScratch)
        .mask32(kScratch, bit_of_state(IP_CT_ESTABLISHED) | bit_of_state(IP_CT_RELATED))
        .is_set(kScratch)
        .verdict(NFT_RETURN)
        .put(batch);
  }
  for (const bool v6 : {false, true}) {
    Rule("check")
        .meta(NFT_META_NFPROTO, kScratch)
        .is_byte(kScratch, v6 ? NFPROTO_IPV6 : NFPROTO_IPV4)
        .verdict(NFT_GOTO, check_chain(v6))
        .put(batch);
    Rule(check_chain(v6)).source(v6).lookup(v6 ? kAllow6 : kAllow4).verdict(NFT_RETURN).put(batch);
  }
}

void put_shape_sets(NetlinkMessages& batch, const BlockShape& shape) {
  put_set(batch, set_name(shape), shape, NFT_SET_TIMEOUT);
  put_set(batch, count_name(shape), shape, NFT_SET_EVAL, kMostCounts);
}

void put_shape_rules(NetlinkMessages& batch, const BlockShape& shape) {
  const std::string chain = drop_chain(shape);
  put_drop_chain(batch, chain, count_name(shape), [&](Rule& rule) { rule.key(shape); });
  Rule(check_chain(shape.v6)).key(shape).lookup(set_name(shape)).verdict(NFT_GOTO, chain).put(batch);
  if (!shape.service) return;
  const std::string translated = chain + "_translated";
  put_drop_chain(batch, translated, count_name(shape), [&](Rule& rule) { rule.translated_key(shape); });
  Rule(check_chain(shape.v6)).translated_key(shape).lookup(set_name(shape)).verdict(NFT_GOTO, translated).put(batch);
}

}  // namespace tipstaff::nft
