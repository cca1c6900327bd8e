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

TEST(Bytes, ReadNumbersOfOneToEightDigits) {
  for (std::uint32_t number : {0U, 7U, 10U, 4711U, 99999U, 100000U, 4194304U, 12345678U, 99999999U}) {
    const std::string digits = std::to_string(number);
    const std::string text = "sshd 99[" + digits;
    std::uint32_t value = 1;
    ASSERT_TRUE(read_digits(text.data() + text.size(), digits.size(), value));
    EXPECT_EQ(value, number);
  }
  for (const std::string text : {"12345[12a4", "12345[1/34", "12345[12:4"}) {
    std::uint32_t value = 0;
    EXPECT_FALSE(read_digits(text.data() + text.size(), 4, value)) << text;
  }
}

}  // namespace
}  // namespace tipstaff
