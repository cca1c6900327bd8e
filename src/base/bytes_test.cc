#include "base/bytes.h"

#include <gtest/gtest.h>

#include <string>

namespace tipstaff {
namespace {

TEST(Bytes, FindTheFirstOfTwoAtEveryPlaceAndLength) {
  for (std::size_t length = 0; length < 40; ++length) {
    for (std::size_t place = 0; place <= length; ++place) {
      std::string text(length, 'x');
      if (place < length) text[place] = place % 2 == 0 ? ' ' : ':';
      if (place + 3 < length) text[place + 3] = ' ';
      EXPECT_EQ(find_either(text.data(), text.data() + length, ' ', ':') - text.data(),
                static_cast<std::ptrdiff_t>(place))
          << length;
    }
  }
  const std::string high = "\xa0\xba\x80 ";
  EXPECT_EQ(find_byte(high.data(), high.data() + high.size(), ' ') - high.data(), 3);
}

TEST(Bytes, FindTheLastOfTwoAtEveryPlaceAndLength) {
  for (std::size_t length = 0; length < 40; ++length) {
    for (std::size_t place = 0; place <= length; ++place) {
      std::string text(length, 'x');
      if (place > 0) text[place - 1] = place % 2 == 0 ? ' ' : ':';
      if (place > 4) text[place - 4] = ' ';
      EXPECT_EQ(find_last_either(text.data(), text.data() + length, ' ', ':') - text.data(),
                static_cast<std::ptrdiff_t>(place))
          << length;
    }
  }
}

TEST(Bytes, FindATextAtEveryPlaceAndLength) {
  for (const std::string_view text : {"x", "xy", "xay", "xaaaaaaaaaaaaaaaaaaaaay"}) {
    for (std::size_t size = 0; size < 70; ++size) {
      const std::string empty(size, 'a');
      EXPECT_EQ(find_text(empty.data(), empty.data() + size, text), nullptr);
      for (std::size_t place = 0; place + text.size() <= size; ++place) {
        std::string all = empty;
        all.replace(place, text.size(), text);
        EXPECT_EQ(find_text(all.data(), all.data() + size, text), all.data() + place) << text << " in " << all;
        EXPECT_EQ(find_text(all.data(), all.data() + place + text.size() - 1, text), nullptr);
      }
    }
  }
}

TEST(Bytes, FindATextAmongManyPlacesThatLookLikeIt) {
  std::string all;
  for (int i = 0; i < 500; ++i) all += "x-y";
  EXPECT_EQ(find_text(all.data(), all.data() + all.size(), "x+y"), nullptr);
  const std::size_t place = all.size();
  all += "x+y x+y";
  EXPECT_EQ(find_text(all.data(), all.data() + all.size(), "x+y"), all.data() + place);
}

TEST(Bytes, ReadNumbersOfOneToSevenDigitsFromEitherSide) {
  for (std::uint32_t number : {0U, 7U, 10U, 4711U, 99999U, 100000U, 4194304U, 9999999U}) {
    const std::string digits = std::to_string(number);
    const std::string before = "sshd 99[" + digits;
    std::uint32_t value = 1;
    EXPECT_EQ(digits_before(before.data(), before.data() + before.size(), value), digits.size());
    EXPECT_EQ(value, number);
    for (const char stop : {']', '/', ':', ' ', '\xff', '\0'}) {
      const std::string behind = digits + stop + "1234567";
      EXPECT_EQ(digits_behind(behind.data(), value = 1), digits.size()) << behind;
      EXPECT_EQ(value, number);
    }
  }
}

TEST(Bytes, NoDigitsOrTooManyAreNoNumber) {
  std::uint32_t value = 0;
  for (const std::string text : {"12345[a", "12345[1/", "123456\xb1", "1234567", "12345678", "123456789"}) {
    const std::string long_enough = "sshd" + text;
    const bool eight = text.size() >= 8;
    const std::size_t expected = eight ? 0 : text == "1234567" ? 7 : 0;
    EXPECT_EQ(digits_before(long_enough.data(), long_enough.data() + long_enough.size(), value), expected) << text;
  }
  const std::string eight = "12345678 ";
  EXPECT_EQ(digits_behind(eight.data(), value), 0U);
  EXPECT_EQ(digits_behind("x1234567", value), 0U);
  const std::string few = "12345";
  EXPECT_EQ(digits_before(few.data(), few.data() + few.size(), value), 0U) << "eight bytes cannot be read there";
}

}  // namespace
}  // namespace tipstaff
