#include "enforce/enforcer/nft_firewall.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "base/hash.h"
#include "enforce/enforcer/netlink.h"
#include "enforce/enforcer/nft_elements.h"
#include "enforce/enforcer/nft_layout.h"

namespace tipstaff {
namespace {

constexpr std::size_t kEventBuffer = 8U << 20U;
constexpr std::size_t kAnswerBuffer = 4U << 20U;
constexpr std::size_t kAskAtOnce = 512;
constexpr int kReadTries = 5;

const nlattr* attribute_of(const nlmsghdr& message, std::uint16_t type) {
  for (const nlattr* const attribute : Attributes(message, sizeof(nfgenmsg))) {
    if (mnl_attr_get_type(attribute) == type) return attribute;
  }
  return nullptr;
}

std::string text_of(const nlmsghdr& message, std::uint16_t type) {
  const nlattr* const attribute = attribute_of(message, type);
  if (attribute == nullptr || mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) < 0) return {};
  return mnl_attr_get_str(attribute);
}

std::uint32_t number_of(const nlmsghdr& message, std::uint16_t type) {
  const nlattr* const attribute = attribute_of(message, type);
  if (attribute == nullptr || mnl_attr_get_payload_len(attribute) != sizeof(std::uint32_t)) return 0;
  return ntohl(mnl_attr_get_u32(attribute));
}

// The shape that a set's name tells, if the name is one that set_name() or count_name() gives.
std::optional<BlockShape> shape_of_name(const std::string& name, bool counts) {
  for (const bool service : {false, true}) {
    for (const bool v6 : {false, true}) {
      for (unsigned bits = 0; bits <= (v6 ? 128U : 32U); ++bits) {
        const BlockShape shape{.v6 = v6, .service = service, .bits = static_cast<std::uint8_t>(bits)};
        if ((counts ? nft::count_name(shape) : nft::set_name(shape)) == name) return shape;
      }
    }
  }
  return std::nullopt;
}

template <class Item, class Key>
std::map<BlockShape, std::vector<Item>> by_shape(std::span<const Item> items, const Key& key) {
  std::map<BlockShape, std::vector<Item>> all;
  for (const Item& item : items) all[shape_of(key(item))].push_back(item);
  return all;
}

std::map<BlockShape, std::vector<BlockKey>> by_shape(std::span<const BlockKey> keys) {
  return by_shape(keys, [](const BlockKey& key) { return key; });
}

void put_exempt(NetlinkMessages& batch, const NetworkSet& exempt) {
  for (const bool v6 : {false, true}) {
    nft::ElementWriter writer(batch, NFT_MSG_NEWSETELEM, v6 ? nft::kAllow6 : nft::kAllow4);
    for (const auto& [first, last] : exempt.ranges(v6)) writer.range(first, last);
  }
}

// A set in the kernel, as far as it tells whose it is.
struct KnownSet {
  std::string name;
  std::uint32_t flags = 0;
  std::uint32_t key_size = 0;
};

}  // namespace

struct NftFirewall::State {
  State(NetlinkSocket commands_, NetlinkSocket events_, Options options_)
      : commands(std::move(commands_)), events(std::move(events_)), options(options_) {}

  NetlinkSocket commands;
  NetlinkSocket events;
  Options options;
  std::set<BlockShape> shapes;    // whose sets and rules are in the kernel
  std::uint64_t fingerprint = 0;  // of the layout as it was left

  Result<void> dump(NetlinkMessages& request, const NetlinkSocket::Each& each) { return commands.dump(request, each); }

  // Asks for the things of one kind of this table.
  Result<void> list(std::uint16_t type, std::uint16_t table_attribute, const NetlinkSocket::Each& each) {
    NetlinkMessages request;
    nlmsghdr* const message = request.begin(type, NLM_F_DUMP, NFPROTO_INET);
    mnl_attr_put_strz(message, table_attribute, nft::kTable);
    request.end();
    auto read = dump(request, [&](const nlmsghdr& one) {  // older kernels do not filter by table
      if (text_of(one, table_attribute) == nft::kTable) each(one);
    });
    if (!read && read.error().kind == ErrorKind::not_found) return {};  // there is no table
    return read;
  }

  Result<bool> exists() {
    NetlinkMessages request;
    nlmsghdr* const message = request.begin(NFT_MSG_GETTABLE, 0, NFPROTO_INET);
    mnl_attr_put_strz(message, NFTA_TABLE_NAME, nft::kTable);
    request.end();
    const auto errors = commands.ask(request, [](const nlmsghdr&) {});
    if (!errors) return std::unexpected(errors.error());
    if (errors->front() == 0) return true;
    if (errors->front() == ENOENT) return false;
    return std::unexpected(kernel_error(errors->front(), "reading the firewall"));
  }

  Result<std::vector<KnownSet>> sets() {
    std::vector<KnownSet> all;
    const auto read = list(NFT_MSG_GETSET, NFTA_SET_TABLE, [&](const nlmsghdr& one) {
      all.push_back({text_of(one, NFTA_SET_NAME), number_of(one, NFTA_SET_FLAGS), number_of(one, NFTA_SET_KEY_LEN)});
    });
    if (!read) return std::unexpected(read.error());
    return all;
  }

  // What the layout is, without elements and without what packets change. It is read again after each change of the layout.
  Result<std::uint64_t> read_fingerprint() {
    std::uint64_t hash = 0;
    const auto add = [&](std::string_view bytes) { hash = hash_of(bytes, hash); };
    const auto add_attribute = [&](const nlmsghdr& one, std::uint16_t type) {
      const nlattr* const attribute = attribute_of(one, type);
      if (attribute == nullptr) return add("-");
      add({static_cast<const char*>(mnl_attr_get_payload(attribute)), mnl_attr_get_payload_len(attribute)});
    };
    NetlinkMessages request;
    nlmsghdr* const message = request.begin(NFT_MSG_GETTABLE, 0, NFPROTO_INET);
    mnl_attr_put_strz(message, NFTA_TABLE_NAME, nft::kTable);
    request.end();
    const auto table = commands.ask(request, [&](const nlmsghdr& one) {
      for (const std::uint16_t type : {NFTA_TABLE_FLAGS, NFTA_TABLE_HANDLE}) add_attribute(one, type);
    });
    if (!table) return std::unexpected(table.error());
    if (table->front() != 0) return 0;
    auto read = list(NFT_MSG_GETCHAIN, NFTA_CHAIN_TABLE, [&](const nlmsghdr& one) {
      for (const std::uint16_t type :
           {NFTA_CHAIN_NAME, NFTA_CHAIN_HANDLE, NFTA_CHAIN_HOOK, NFTA_CHAIN_POLICY, NFTA_CHAIN_FLAGS}) {
        add_attribute(one, type);
      }
    });
    if (!read) return std::unexpected(read.error());
    read = list(NFT_MSG_GETRULE, NFTA_RULE_TABLE, [&](const nlmsghdr& one) {
      for (const std::uint16_t type : {NFTA_RULE_CHAIN, NFTA_RULE_HANDLE, NFTA_RULE_EXPRESSIONS})
        add_attribute(one, type);
    });
    if (!read) return std::unexpected(read.error());
    read = list(NFT_MSG_GETSET, NFTA_SET_TABLE, [&](const nlmsghdr& one) {
      for (const std::uint16_t type : {NFTA_SET_NAME, NFTA_SET_HANDLE, NFTA_SET_FLAGS}) add_attribute(one, type);
    });
    if (!read) return std::unexpected(read.error());
    return hash;
  }

  Result<void> remember_layout() {
    for (int tries = kReadTries; tries > 0; --tries) {
      const auto read = read_fingerprint();
      if (read) {
        fingerprint = *read;
        return {};
      }
      if (read.error().kind != ErrorKind::conflict) return std::unexpected(read.error());
    }
    fingerprint = 0;  // is_whole() will say no, and all is made anew
    return {};
  }

  // Reads all elements of the sets of one kind.
  template <class Function>
  Result<void> read_all(bool counts, const Function& each) {
    const auto known = sets();
    if (!known) return std::unexpected(known.error());
    for (const KnownSet& set : *known) {
      const auto shape = shape_of_name(set.name, counts);
      if (!shape || nft::key_size(*shape) != set.key_size) continue;
      NetlinkMessages request;
      nft::put_dump(request, set.name);
      const auto read = dump(request, [&](const nlmsghdr& one) { nft::read_elements(one, *shape, each); });
      if (!read && read.error().kind != ErrorKind::not_found) return read;
    }
    return {};
  }
};

NftFirewall::NftFirewall(std::unique_ptr<State> state) : state_(std::move(state)) {}

NftFirewall::~NftFirewall() = default;

Result<std::unique_ptr<NftFirewall>> NftFirewall::open(Options options) {
  auto commands = NetlinkSocket::open(NETLINK_NETFILTER);
  if (!commands) return std::unexpected(commands.error());
  commands->set_receive_buffer(kAnswerBuffer);
  auto events = NetlinkSocket::open(NETLINK_NETFILTER, {NFNLGRP_NFTABLES});
  if (!events) return std::unexpected(events.error());
  events->set_receive_buffer(kEventBuffer);
  // Our own changes, thousands of messages at a time, do not even come to the queue: they bear the port of `commands`.
  std::array<sock_filter, 4> program{{
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(nlmsghdr, nlmsg_pid)},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, htonl(commands->port())},
      {BPF_RET | BPF_K, 0, 0, 0},
      {BPF_RET | BPF_K, 0, 0, 0xffffffff},
  }};
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  if (::setsockopt(events->file(), SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) < 0) {
    return std::unexpected(kernel_error(errno, "netlink events"));
  }
  auto state = std::make_unique<State>(std::move(*commands), std::move(*events), options);
  if (const auto tried = state->exists(); !tried) return std::unexpected(tried.error());
  return std::unique_ptr<NftFirewall>(new NftFirewall(std::move(state)));
}

Result<void> NftFirewall::read_blocks(Instant now, const OnBlock& each) {
  return state_->read_all(false, [&](const nft::Element& element) {
    if (element.until) {
      each(element.key, *element.until);
    } else if (element.left) {
      each(element.key, now + *element.left - nft::kNet);
    } else {
      each(element.key, kForever);
    }
  });
}

Result<void> NftFirewall::read_counts(const OnCount& each) {
  return state_->read_all(true, [&](const nft::Element& element) { each(element.key, element.packets); });
}

Result<void> NftFirewall::adopt(const NetworkSet& exempt) {
  const auto there = state_->exists();
  if (!there) return std::unexpected(there.error());
  if (!*there) return fail(ErrorKind::not_found, "there is no table inet tipstaff");
  const auto known = state_->sets();
  if (!known) return std::unexpected(known.error());
  std::set<BlockShape> blocks;
  std::set<BlockShape> counts;
  std::size_t others = 0;
  for (const KnownSet& set : *known) {
    const auto block = shape_of_name(set.name, false);
    const auto count = shape_of_name(set.name, true);
    if (block && set.flags == NFT_SET_TIMEOUT && set.key_size == nft::key_size(*block)) {
      blocks.insert(*block);
    } else if (count && set.flags == NFT_SET_EVAL && set.key_size == nft::key_size(*count)) {
      counts.insert(*count);
    } else if ((set.name == nft::kAllow4 || set.name == nft::kAllow6) && set.flags == NFT_SET_INTERVAL) {
      ++others;
    } else {
      return fail(ErrorKind::conflict, "the table inet tipstaff holds a set that is not the enforcer's");
    }
  }
  if (others != 2 || blocks != counts) return fail(ErrorKind::conflict, "the table inet tipstaff lacks a set");
  std::set<std::string> chains;
  const auto read = state_->list(NFT_MSG_GETCHAIN, NFTA_CHAIN_TABLE,
                                 [&](const nlmsghdr& one) { chains.insert(text_of(one, NFTA_CHAIN_NAME)); });
  if (!read) return read;
  NetlinkMessages batch;
  batch.begin_batch();
  nft::put_no_rules(batch);
  for (const std::string& chain : chains) nft::put_no_chain(batch, chain);
  nft::put_chains(batch);
  for (const char* const set : {nft::kAllow4, nft::kAllow6}) nft::put_no_elements(batch, set);
  put_exempt(batch, exempt);
  nft::put_rules(batch, state_->options.keep_established);
  for (const BlockShape& shape : blocks) nft::put_shape_rules(batch, shape);
  batch.end_batch();
  if (auto done = state_->commands.commit(batch); !done) {
    return fail(ErrorKind::conflict, "the table inet tipstaff cannot be taken over: " + done.error().message());
  }
  state_->shapes = std::move(blocks);
  return state_->remember_layout();
}

Result<void> NftFirewall::rebuild(const BlockTable& blocks, const NetworkSet& exempt, Instant now) {
  NetlinkMessages batch;
  batch.begin_batch();
  nft::put_new_table(batch);
  nft::put_chains(batch);
  nft::put_allow_sets(batch);
  put_exempt(batch, exempt);
  nft::put_rules(batch, state_->options.keep_established);
  std::set<BlockShape> shapes;
  for (const auto& [shape, count] : blocks.shapes()) {
    shapes.insert(shape);
    nft::put_shape_sets(batch, shape);
    nft::put_shape_rules(batch, shape);
  }
  for (const BlockShape& shape : shapes) {
    {
      nft::ElementWriter writer(batch, NFT_MSG_NEWSETELEM, nft::set_name(shape));
      for (const BlockTable::Slot& slot : blocks.slots()) {
        if (const BlockKey key = slot.key(); shape_of(key) == shape) writer.block(key, slot.until(), now);
      }
    }
    nft::ElementWriter writer(batch, NFT_MSG_NEWSETELEM, nft::count_name(shape));
    std::size_t left = nft::kMostCounts;
    for (const BlockTable::Slot& slot : blocks.slots()) {
      if (slot.dropped() == 0 || left == 0) continue;
      if (const BlockKey key = slot.key(); shape_of(key) == shape) {
        writer.count(key, slot.dropped());
        --left;
      }
    }
  }
  batch.end_batch();
  if (auto done = state_->commands.commit(batch); !done) return done;
  state_->shapes = std::move(shapes);
  return state_->remember_layout();
}

Result<void> NftFirewall::set(std::span<const BlockChange> changes, Instant now) {
  if (changes.empty()) return {};
  NetlinkMessages batch;
  batch.begin_batch();
  std::vector<BlockShape> made;
  for (const auto& [shape, all] : by_shape(changes, [](const BlockChange& change) { return change.key; })) {
    if (!state_->shapes.contains(shape)) {
      nft::put_shape_sets(batch, shape);
      nft::put_shape_rules(batch, shape);
      made.push_back(shape);
    }
    {
      nft::ElementWriter writer(batch, NFT_MSG_DELSETELEM, nft::set_name(shape));
      for (const BlockChange& change : all) {
        if (change.exists) writer.key(change.key);
      }
    }
    nft::ElementWriter writer(batch, NFT_MSG_NEWSETELEM, nft::set_name(shape));
    for (const BlockChange& change : all) writer.block(change.key, change.until, now);
  }
  batch.end_batch();
  if (auto done = state_->commands.commit(batch); !done) return done;
  if (made.empty()) return {};
  state_->shapes.insert(made.begin(), made.end());
  return state_->remember_layout();
}

Result<void> NftFirewall::remove(std::span<const BlockKey> keys) {
  if (keys.empty()) return {};
  NetlinkMessages batch;
  batch.begin_batch();
  for (const auto& [shape, all] : by_shape(keys)) {
    nft::ElementWriter writer(batch, NFT_MSG_DELSETELEM, nft::set_name(shape));
    for (const BlockKey& key : all) writer.key(key);
  }
  batch.end_batch();
  return state_->commands.commit(batch);
}

Result<std::vector<DropCount>> NftFirewall::take_counts(std::span<const BlockKey> keys) {
  std::vector<DropCount> found;
  NetlinkMessages batch;
  batch.begin_batch();
  for (const auto& [shape, all] : by_shape(keys)) {
    if (!state_->shapes.contains(shape)) continue;
    const std::size_t before = found.size();
    for (std::size_t at = 0; at < all.size(); at += kAskAtOnce) {
      NetlinkMessages requests;
      {
        nft::ElementWriter writer(requests, NFT_MSG_GETSETELEM, nft::count_name(shape));
        for (const BlockKey& key : std::span(all).subspan(at, std::min(kAskAtOnce, all.size() - at))) writer.key(key);
      }
      const auto answers = state_->commands.ask(requests, [&](const nlmsghdr& one) {
        nft::read_elements(one, shape,
                           [&](const nft::Element& element) { found.push_back({element.key, element.packets}); });
      });
      if (!answers) return std::unexpected(answers.error());
    }
    nft::ElementWriter writer(batch, NFT_MSG_DELSETELEM, nft::count_name(shape));
    for (std::size_t i = before; i < found.size(); ++i) writer.key(found[i].key);
  }
  if (found.empty()) return found;
  batch.end_batch();
  if (auto done = state_->commands.commit(batch); !done) return std::unexpected(done.error());
  return found;
}

Result<void> NftFirewall::set_exempt(const NetworkSet& exempt) {
  NetlinkMessages batch;
  batch.begin_batch();
  for (const char* const set : {nft::kAllow4, nft::kAllow6}) nft::put_no_elements(batch, set);
  put_exempt(batch, exempt);
  batch.end_batch();
  return state_->commands.commit(batch);
}

Result<bool> NftFirewall::is_whole() {
  const auto read = state_->read_fingerprint();
  if (!read) return std::unexpected(read.error());
  return *read != 0 && *read == state_->fingerprint;
}

Result<void> NftFirewall::clear() {
  NetlinkMessages batch;
  batch.begin_batch();
  nft::put_no_table(batch);
  batch.end_batch();
  if (auto done = state_->commands.commit(batch); !done) return done;
  state_->shapes.clear();
  state_->fingerprint = 0;
  return {};
}

int NftFirewall::event_file() const { return state_->events.file(); }

NftFirewall::Others NftFirewall::read_events() {
  Others others = Others::quiet;
  for (;;) {
    const auto heard = state_->events.hear([&](const nlmsghdr& message) {
      const auto type = static_cast<std::uint16_t>(message.nlmsg_type & 0xffU);
      if (message.nlmsg_type >> 8U != NFNL_SUBSYS_NFTABLES || type == NFT_MSG_NEWGEN) return;
      if (message.nlmsg_pid == state_->commands.port()) return;
      if (mnl_nlmsg_get_payload_len(&message) < sizeof(nfgenmsg)) return;
      if (static_cast<const nfgenmsg*>(mnl_nlmsg_get_payload(&message))->nfgen_family != NFPROTO_INET) return;
      static_assert(NFTA_TABLE_NAME == 1 && NFTA_CHAIN_TABLE == 1 && NFTA_RULE_TABLE == 1 && NFTA_SET_TABLE == 1 &&
                    NFTA_SET_ELEM_LIST_TABLE == 1 && NFTA_OBJ_TABLE == 1 && NFTA_FLOWTABLE_TABLE == 1);
      if (text_of(message, NFTA_TABLE_NAME) == nft::kTable && others == Others::quiet) others = Others::changed;
    });
    if (heard == NetlinkSocket::Heard::nothing) return others;
    if (heard == NetlinkSocket::Heard::overflow) others = Others::unsure;
  }
}

}  // namespace tipstaff
