// Members of the guard's status (docs/formats/status.md), read without trust: what is missing or of another type is nothing.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

namespace tipstaff {

/// "" where there is no such text.
[[nodiscard]] inline std::string text_member(const boost::json::object& object, std::string_view name) {
  const auto* value = object.if_contains(boost::json::string_view(name.data(), name.size()));
  return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string();
}

/// 0 where there is no such number.
[[nodiscard]] inline std::int64_t number_member(const boost::json::object& object, std::string_view name) {
  const auto* value = object.if_contains(boost::json::string_view(name.data(), name.size()));
  if (value == nullptr) return 0;
  if (value->is_uint64()) return std::numeric_limits<std::int64_t>::max();  // else it would be signed
  return value->is_int64() ? value->as_int64() : 0;
}

/// Whether there is such a flag, and has this value.
[[nodiscard]] inline bool flag_is(const boost::json::object& object, std::string_view name, bool wanted) {
  const auto* value = object.if_contains(boost::json::string_view(name.data(), name.size()));
  return value != nullptr && value->is_bool() && value->as_bool() == wanted;
}

/// The objects of a list; none where there is no such list.
[[nodiscard]] inline const boost::json::array& list_member(const boost::json::object& object, std::string_view name) {
  static const boost::json::array kNone;
  const auto* value = object.if_contains(boost::json::string_view(name.data(), name.size()));
  return value != nullptr && value->is_array() ? value->as_array() : kNone;
}

}  // namespace tipstaff
