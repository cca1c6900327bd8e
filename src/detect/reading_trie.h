// One trie over the closed steps that the readings of some detectors begin with: literals, byte by byte, and closed
// fields, as far as it takes to tell the readings apart. A line walks down it once and is told the readings on the way.
// Those that begin with a literal of some length are found by its first bytes, without a walk. It knows the order of
// the files; which reading holds is the recognizer's to say.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "detect/detector.h"

namespace tipstaff {

/// A reading of a detector, as the trie holds it.
struct TrieEntry {
  const Detector* detector;
  const Pattern* pattern;
  const Reading* reading;
  Kind kind;
  bool compare = false;  // odd fields call for a look at all readings
  std::uint32_t order;   // of the files
  bool decides = true;   // no reading that comes before it in the files can fit the same line
  // The bytes by which it is found before the trie is walked, 8 or 4, if those readings that come before it and can fit the
  // same line are found by as many or more; else 0.
  std::size_t head = 0;
  bool prefix_suffices = false;  // harmless, and behind its beginning anything may follow
  // Where match() reads on: so many steps, and bytes of the next one, are read by the trie and hold nothing to be kept.
  std::size_t step = 0;
  std::size_t bytes = 0;
  // What the next byte of a message can be, if it fits.
  std::bitset<256> firsts = std::bitset<256>().set();

  // A literal that every message it fits holds, if it goes on with a group: that is slow to see not to fit. Readings of one
  // pattern mostly share it, and stand side by side.
  std::string_view needs{};

  [[nodiscard]] bool may_go_on(const char* at, const char* end) const {
    return at == end || firsts[static_cast<unsigned char>(*at)];
  }
};

struct ReadingTrie {
  using Entry = TrieEntry;
  struct FieldEdge {
    const Step* field;
    const Op* op;  // the same
    std::uint32_t node;
  };
  struct Node {
    std::string label;   // read on the way to it
    std::string firsts;  // the first bytes of the children's labels
    std::vector<std::uint32_t> children;
    std::vector<FieldEdge> fields;
    std::vector<Entry> entries;
  };
  struct Shortcut {
    std::uint64_t head;
    std::uint64_t tail;  // of the prefix: what tells it from its neighbours
    std::string_view prefix;
    const Entry* entry;
  };
  // The readings that begin with a literal of some length, by its first bytes: tried in order before the trie is walked.
  struct Shortcuts {
    std::size_t head;  // bytes, as Entry::head
    std::array<std::vector<Shortcut>, 64> buckets;

    [[nodiscard]] std::uint64_t word_at(const char* at) const {
      std::uint64_t word = 0;
      if (head == 8) {
        std::memcpy(&word, at, 8);
      } else {
        std::memcpy(&word, at, 4);
      }
      return word;
    }
    static std::size_t bucket_of(std::uint64_t word) { return (word * 0x9e3779b97f4a7c15ULL) >> 58U; }

    void add(const Entry& entry) {
      const std::string_view prefix = entry.reading->prefix;
      const std::uint64_t word = word_at(prefix.data());
      buckets[bucket_of(word)].push_back({word, word_at(prefix.data() + prefix.size() - head), prefix, &entry});
    }
    /// The first from `from` on whose prefix the message begins with, in the order of the files.
    const Shortcut* find_prefix(std::string_view message, const Shortcut* from = nullptr) const {
      if (message.size() < head) return nullptr;
      const std::uint64_t word = word_at(message.data());
      const auto& bucket = buckets[bucket_of(word)];
      for (const Shortcut* one = from == nullptr ? bucket.data() : from; one != bucket.data() + bucket.size(); ++one) {
        const std::size_t length = one->prefix.size();
        if (one->head == word && message.size() >= length && word_at(message.data() + length - head) == one->tail &&
            equal_bytes(message.data(), one->prefix.data(), length))
          return one;
      }
      return nullptr;
    }
    /// The first that fits, in the order of the files.
    const Entry* find(std::string_view message, Fields& fields) const {
      const char* const end = message.data() + message.size();
      for (const Shortcut* one = find_prefix(message); one != nullptr; one = find_prefix(message, one + 1)) {
        if (one->entry->prefix_suffices) return one->entry;
        if (match_rest(*one->entry->reading, 1, 0, message.data() + one->prefix.size(), end, fields)) return one->entry;
        fields.clear();
      }
      return nullptr;
    }
  };
  std::vector<Node> nodes = std::vector<Node>(1);
  std::array<std::uint32_t, 256> roots{};
  std::array<Shortcuts, 2> shortcuts{{{8, {}}, {4, {}}}};
  std::size_t size = 0;                                                 // entries in all
  std::vector<std::pair<const Detector*, const Pattern*>> expressions;  // the patterns written as RE2

  /// Takes a reading in; `finish` when all are in.
  void insert(const Entry& entry);
  void finish();

  // Goes the ways of a message and tells `visit` of each reading on them; ends when that says so.
  template <class Visit>
  bool walk(const Node* node, const char* at, const char* end, const Visit& visit) const {
    for (const Entry& entry : node->entries) {
      if (entry.may_go_on(at, end) && visit(entry, at)) return true;
    }
    if (at == end) return false;
    if (const Node* const next = child_of(*node, *at)) {
      const std::size_t length = next->label.size();
      const bool fits = static_cast<std::size_t>(end - at) >= length && equal_bytes(at, next->label.data(), length);
      if (fits && walk(next, at + length, end, visit)) return true;
    }
    for (const FieldEdge& edge : node->fields) {
      const char* const behind = skip_field(*edge.op, at, end);
      if (behind != nullptr && walk(&nodes[edge.node], behind, end, visit)) return true;
    }
    return false;
  }

  const Node* child_of(const Node& node, char byte) const {
    if (&node == nodes.data()) {
      const std::uint32_t root = roots[static_cast<unsigned char>(byte)];
      return root == 0 ? nullptr : &nodes[root];
    }
    for (std::size_t child = 0; child < node.firsts.size(); ++child) {
      if (node.firsts[child] == byte) return &nodes[node.children[child]];
    }
    return nullptr;
  }

 private:
  std::uint32_t field_edge(std::uint32_t at, const Step& step, const Op& op);
  std::uint32_t literal_edge(std::uint32_t at, std::string_view rest);
  void drop(std::uint32_t at);
  std::vector<Entry> shorten(std::uint32_t at, std::size_t fields, std::size_t bytes);
};

}  // namespace tipstaff
