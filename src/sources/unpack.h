// Unpacks compressed logs while they are read. What a file is, its first bytes say, never its name: administrators
// rename files. Memory is bounded whatever the data claim: nothing is unpacked ahead of what was asked for, and data
// that need more than kUnpackMemory for their window are refused. bzip2 and other formats are not read.
#pragma once

#include <cstddef>
#include <memory>

#include "sources/input_file.h"

namespace tipstaff {

/// Most memory that data may ask for: the window of `xz -9` is half of it, that of `zstd --long` just this.
inline constexpr std::size_t kUnpackMemory = std::size_t{128} << 20U;

/// A stream of the unpacked bytes of gzip (RFC 1952), xz or zstd (RFC 8878) data, several members or frames one behind
/// the other included; null where the file is none of these. Damaged or truncated data are an error with the offset in
/// the compressed file; the bytes before the damage are read first. `file` must live longer than the stream.
[[nodiscard]] std::unique_ptr<ByteStream> unpack(InputFile& file);

}  // namespace tipstaff
