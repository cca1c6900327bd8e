// See reading_trie.h.
#include "detect/reading_trie.h"

#include <algorithm>

namespace tipstaff {
namespace {

// Readings that begin with the same literal and are still tried one after the other; of more, the trie tells quicker.
constexpr std::ptrdiff_t kMostAlike = 8;

// Whether two readings surely fit no common message: they read the same steps up to two literals of which neither begins
// the other.
bool differ(const std::vector<Step>& a, const std::vector<Step>& b) {
  for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) {
    if (a[i].kind != b[i].kind || a[i].kind == Step::Kind::group) return false;
    if (a[i].kind == Step::Kind::literal) {
      const std::string_view one = a[i].text;
      const std::string_view other = b[i].text;
      if (!one.starts_with(other) && !other.starts_with(one)) return true;
      if (one != other) return false;
    } else if (a[i].type == FieldType::open || a[i].type != b[i].type || a[i].set() != b[i].set() ||
               a[i].may_miss != b[i].may_miss) {
      return false;
    }
  }
  return false;
}

// The place in the reading's steps that lies so far on its way; the beginning if a field on the way is kept.
void set_place(TrieEntry& entry, std::size_t fields, std::size_t bytes) {
  const auto& steps = entry.reading->steps;
  entry.step = entry.bytes = 0;
  std::size_t step = 0;
  for (; fields > 0; ++step) {
    if (steps[step].kind != Step::Kind::field) continue;
    if (steps[step].slot != Slot::none) return;
    --fields;
  }
  entry.step = step;
  entry.bytes = bytes;
}

// Adds to `firsts` the bytes with which the ops [op, last) can begin; true: they can also be empty.
bool add_firsts(const Op* op, const Op* last, std::bitset<256>& firsts) {
  const auto add = [&firsts](std::string_view bytes) {
    for (const char c : bytes) firsts.set(static_cast<unsigned char>(c));
  };
  for (; op != last; ++op) {
    bool may_miss = op->may_miss;
    switch (op->kind) {
      case Op::Kind::literal:
        if (op->size > 0) add(op->literal().substr(0, 1));
        may_miss = op->size == 0;
        break;
      case Op::Kind::number:
        add("0123456789");
        may_miss = false;
        break;
      case Op::Kind::set:
        for (std::size_t c = 0; c < firsts.size(); ++c) {
          if ((*op->table)[c]) firsts.set(c);
        }
        break;
      case Op::Kind::group:
        for (std::size_t i = 0; i < op->size; ++i)
          may_miss = add_firsts(op->branches[i].begin, op->branches[i].end, firsts) || may_miss;
        break;
      case Op::Kind::address:
      case Op::Kind::endpoint:
      case Op::Kind::peer:
      case Op::Kind::all_but:
      case Op::Kind::request:
      case Op::Kind::open:
        firsts.set();
        return true;
    }
    if (!may_miss) return false;
  }
  return true;
}

// The first bytes of what is left of a reading where the trie hands it on. Where match() begins anew nothing is known of
// them, unless that is the beginning.
void set_firsts(TrieEntry& entry, bool at_root) {
  if (entry.step + entry.bytes == 0 && !at_root) return;
  const Op* const op = entry.reading->first + entry.step;
  entry.firsts.reset();
  if (entry.bytes > 0 && entry.bytes < op->size) {
    entry.firsts.set(static_cast<unsigned char>(op->text[entry.bytes]));
  } else {
    add_firsts(entry.bytes > 0 ? op + 1 : op, entry.reading->last, entry.firsts);
  }
}

// The first literal of some length outside of groups, or the longest.
void set_needs(TrieEntry& entry) {
  const Op* const last = entry.reading->last;
  const Op* op = entry.reading->first + entry.step;
  if (entry.bytes > 0 || op == last || op->kind != Op::Kind::group) return;
  for (; op != last && entry.needs.size() < 8; ++op) {
    if (op->kind == Op::Kind::literal && op->size > entry.needs.size()) entry.needs = op->literal();
  }
}

}  // namespace

void ReadingTrie::insert(const Entry& entry) {
  const auto& steps = entry.reading->steps;
  const std::size_t closed = entry.reading->pivot == Reading::kNoPivot ? steps.size() : entry.reading->pivot;
  std::uint32_t at = 0;
  for (std::size_t i = 0; i < closed; ++i) {
    const Step& step = steps[i];
    if (step.kind == Step::Kind::group || (step.kind == Step::Kind::field && step.type == FieldType::open)) break;
    at =
        step.kind == Step::Kind::literal ? literal_edge(at, step.text) : field_edge(at, step, (*entry.reading->ops)[i]);
  }
  nodes[at].entries.push_back(entry);
  ++size;
}

std::uint32_t ReadingTrie::field_edge(std::uint32_t at, const Step& step, const Op& op) {
  for (const FieldEdge& edge : nodes[at].fields) {
    const Step& known = *edge.field;
    if (known.type == step.type && known.may_miss == step.may_miss && known.set() == step.set()) return edge.node;
  }
  const auto child = static_cast<std::uint32_t>(nodes.size());
  nodes.emplace_back();
  nodes[at].fields.push_back({&step, &op, child});
  return child;
}

std::uint32_t ReadingTrie::literal_edge(std::uint32_t at, std::string_view rest) {
  while (!rest.empty()) {
    std::uint32_t next = 0;
    std::size_t common = 0;
    for (const std::uint32_t child : nodes[at].children) {
      const std::string& label = nodes[child].label;
      if (label[0] != rest[0]) continue;
      next = child;
      while (common < label.size() && common < rest.size() && label[common] == rest[common]) ++common;
      break;
    }
    if (next == 0) {
      next = static_cast<std::uint32_t>(nodes.size());
      nodes.emplace_back();
      nodes[next].label = rest;
      nodes[at].children.push_back(next);
      return next;
    }
    if (common < nodes[next].label.size()) {  // split the edge
      const auto lower = static_cast<std::uint32_t>(nodes.size());
      nodes.emplace_back();
      nodes[lower] = std::move(nodes[next]);
      nodes[next] = Node();
      nodes[next].label = rest.substr(0, common);
      nodes[next].children = {lower};
      nodes[lower].label.erase(0, common);
    }
    rest.remove_prefix(common);
    at = next;
  }
  return at;
}

void ReadingTrie::finish() {
  for (const std::uint32_t child : nodes[0].children) roots[static_cast<unsigned char>(nodes[child].label[0])] = child;
  std::vector<Entry*> all;
  for (auto& node : nodes) {
    for (auto& entry : node.entries) all.push_back(&entry);
  }
  // Two readings can fit one message only if one's beginning begins the other's: such stand side by side when sorted.
  const auto prefix_of = [](const Entry* entry) -> std::string_view { return entry->reading->prefix; };
  std::sort(all.begin(), all.end(), [&](auto* a, auto* b) { return prefix_of(a) < prefix_of(b); });
  std::vector<std::pair<Entry*, Entry*>> both;  // the later one of the files first
  std::ptrdiff_t alike = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::size_t long_enough = prefix_of(all[i]).size();
    if (i == 0 || prefix_of(all[i]) != prefix_of(all[i - 1])) {
      const auto from = all.begin() + static_cast<std::ptrdiff_t>(i);
      alike = std::find_if(from, all.end(), [&](auto* one) { return prefix_of(one) != prefix_of(all[i]); }) - from;
    }
    all[i]->head = alike > kMostAlike ? 0 : long_enough >= 8 ? 8 : long_enough >= 4 ? 4 : 0;
    const auto& steps = all[i]->reading->steps;
    all[i]->prefix_suffices = all[i]->kind == Kind::harmless && steps.size() == 2 &&
                              steps.back().kind == Step::Kind::field && steps.back().type == FieldType::open;
    for (std::size_t k = i + 1; k < all.size() && prefix_of(all[k]).starts_with(prefix_of(all[i])); ++k) {
      if (differ(all[i]->reading->steps, all[k]->reading->steps)) continue;
      const bool in_order = all[i]->order < all[k]->order;
      both.emplace_back(all[in_order ? k : i], all[in_order ? i : k]);
    }
  }
  std::sort(both.begin(), both.end(), [](auto& a, auto& b) { return a.first->order < b.first->order; });
  for (const auto& [later, earlier] : both) {
    if (earlier->reading->open_before_address || later->reading->open_before_address) {
      later->compare = later->compare || later->kind != Kind::harmless;
      earlier->compare = earlier->compare || earlier->kind != Kind::harmless;
    }
    later->decides = false;
    later->head = std::min(later->head, earlier->head);
  }
  for (const std::uint32_t child : nodes[0].children) shorten(child, 0, 0);
  for (auto& node : nodes) {
    for (const std::uint32_t child : node.children) node.firsts += nodes[child].label[0];
    for (Entry& entry : node.entries) {
      set_firsts(entry, &node == nodes.data());
      set_needs(entry);
      for (Shortcuts& some : shortcuts) {
        if (some.head == entry.head) some.add(entry);
      }
    }
  }
  for (Shortcuts& some : shortcuts) {
    for (auto& bucket : some.buckets) {
      std::sort(bucket.begin(), bucket.end(),
                [](const Shortcut& a, const Shortcut& b) { return a.entry->order < b.entry->order; });
    }
  }
}

// Empties a node and all below it, to which no way leads any more: the shortcuts must not find their readings twice.
void ReadingTrie::drop(std::uint32_t at) {
  for (const std::uint32_t child : nodes[at].children) drop(child);
  for (const FieldEdge& edge : nodes[at].fields) drop(edge.node);
  nodes[at].entries.clear();
}

// Where only one reading is left, the rest of the way says nothing that match() does not say again. `fields` and `bytes`:
// fields on the way to the node's label, and bytes of literals since the last one.
std::vector<TrieEntry> ReadingTrie::shorten(std::uint32_t at, std::size_t fields, std::size_t bytes) {
  bytes += nodes[at].label.size();
  for (Entry& entry : nodes[at].entries) set_place(entry, fields, bytes);
  std::vector<Entry> below = nodes[at].entries;
  const auto take = [&](const std::vector<Entry>& more) { below.insert(below.end(), more.begin(), more.end()); };
  for (const std::uint32_t child : nodes[at].children) take(shorten(child, fields, bytes));
  for (const FieldEdge& edge : nodes[at].fields) take(shorten(edge.node, fields + 1, 0));
  if (below.size() == 1) {
    set_place(below.front(), fields, bytes);
    drop(at);
    nodes[at].entries = below;
    nodes[at].children.clear();
    nodes[at].fields.clear();
  }
  return below;
}

}  // namespace tipstaff
