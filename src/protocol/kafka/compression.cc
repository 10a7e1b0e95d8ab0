#include "protocol/kafka/compression.h"

#include <lz4frame.h>
#include <snappy.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>

#include "base/assert.h"

namespace weir::kafka {
namespace {

constexpr std::size_t first_output_bytes = 16U << 10;
// xerial's stream: these 8 bytes, two 32-bit versions, then blocks with a 32-bit length each, all big-endian.
constexpr std::array<std::uint8_t, 8> xerial_magic = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0};
constexpr std::size_t xerial_header_bytes = 16;
constexpr std::size_t xerial_block_bytes = 32U << 10;

fault damaged(compression c) { return {errc::corrupt, std::string("damaged ") + std::string(name_of(c)) + " data"}; }
fault too_large(compression c, std::size_t allowed) {
  return {errc::invalid, std::string(name_of(c)) + " data gives more than the " + std::to_string(allowed) +
                             " bytes that its size allows"};
}

// Output that grows by doubling up to the allowed size.
class bounded_output {
 public:
  bounded_output(std::size_t input, std::size_t allowed) : allowed_(allowed) {
    out_.resize(std::min(allowed_, std::max(first_output_bytes, input * 4)));
  }
  // Room to write to; empty when the allowed size is used up.
  [[nodiscard]] mutable_bytes room() {
    if (used_ == out_.size() && used_ < allowed_)
      out_.resize(std::min(allowed_, std::max(first_output_bytes, used_ * 2)));
    return mutable_bytes(out_).subspan(used_);
  }
  void wrote(std::size_t n) { used_ += n; }
  [[nodiscard]] byte_vector take() {
    out_.resize(used_);
    return std::move(out_);
  }

 private:
  std::size_t allowed_;
  std::size_t used_ = 0;
  byte_vector out_;
};

result<byte_vector> gunzip(bytes in, std::size_t allowed) {
  z_stream z{};
  if (inflateInit2(&z, 15 + 16) != Z_OK) return fault(errc::busy, "no memory for gzip");
  const std::unique_ptr<z_stream, int (*)(z_stream*)> guard(&z, inflateEnd);
  bounded_output out(in.size(), allowed);
  z.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(in.data()));
  z.avail_in = static_cast<uInt>(in.size());
  while (true) {
    const mutable_bytes room = out.room();
    std::byte spare{};  // lets the stream say that it ends exactly at the limit
    z.next_out = reinterpret_cast<Bytef*>(room.empty() ? &spare : room.data());
    z.avail_out = room.empty() ? 1 : static_cast<uInt>(std::min<std::size_t>(room.size(), 1U << 30));
    const uInt before = z.avail_out;
    const int status = inflate(&z, Z_NO_FLUSH);
    const uInt made = before - z.avail_out;
    if (room.empty() && made != 0) return too_large(compression::gzip, allowed);
    out.wrote(made);
    if (status == Z_STREAM_END) {
      if (z.avail_in == 0) return out.take();
      if (inflateReset(&z) != Z_OK) return damaged(compression::gzip);  // another member follows
    } else if (status != Z_OK || (made == 0 && z.avail_in == 0)) {
      return damaged(compression::gzip);
    }
  }
}

result<void> unsnappy_block(bytes in, std::size_t allowed, byte_vector& out) {
  const char* const from = reinterpret_cast<const char*>(in.data());
  std::size_t size = 0;
  if (!snappy::GetUncompressedLength(from, in.size(), &size)) return damaged(compression::snappy);
  if (size > allowed - out.size()) return too_large(compression::snappy, allowed);
  const std::size_t at = out.size();
  out.resize(at + size);
  if (!snappy::RawUncompress(from, in.size(), reinterpret_cast<char*>(out.data() + at)))
    return damaged(compression::snappy);
  return {};
}

result<byte_vector> unsnappy(bytes in, std::size_t allowed) {
  byte_vector out;
  const bool framed =
      in.size() >= xerial_header_bytes && std::memcmp(in.data(), xerial_magic.data(), xerial_magic.size()) == 0;
  if (!framed) {
    if (auto r = unsnappy_block(in, allowed, out); !r) return r.error();
    return out;
  }
  byte_reader blocks(in.subspan(xerial_header_bytes));
  while (!blocks.at_end()) {
    const bytes block = blocks.view(blocks.be<std::uint32_t>());
    if (!blocks.ok()) return damaged(compression::snappy);
    if (auto r = unsnappy_block(block, allowed, out); !r) return r.error();
  }
  return out;
}

result<byte_vector> unlz4(bytes in, std::size_t allowed) {
  LZ4F_dctx* raw = nullptr;
  if (LZ4F_isError(LZ4F_createDecompressionContext(&raw, LZ4F_VERSION)) != 0)
    return fault(errc::busy, "no memory for lz4");
  const std::unique_ptr<LZ4F_dctx, LZ4F_errorCode_t (*)(LZ4F_dctx*)> guard(raw, LZ4F_freeDecompressionContext);
  bounded_output out(in.size(), allowed);
  std::size_t hint = 1;  // 0 at the end of a frame
  while (true) {
    const mutable_bytes room = out.room();
    std::byte spare{};
    std::size_t made = room.empty() ? 1 : room.size();
    std::size_t used = in.size();
    hint = LZ4F_decompress(raw, room.empty() ? &spare : room.data(), &made, in.data(), &used, nullptr);
    if (LZ4F_isError(hint) != 0) return damaged(compression::lz4);
    if (room.empty() && made != 0) return too_large(compression::lz4, allowed);
    out.wrote(made);
    in = in.subspan(used);
    if (hint == 0 && in.empty()) return out.take();
    if (made == 0 && used == 0) return damaged(compression::lz4);
  }
}

result<byte_vector> unzstd(bytes in, std::size_t allowed) {
  const std::unique_ptr<ZSTD_DCtx, std::size_t (*)(ZSTD_DCtx*)> context(ZSTD_createDCtx(), ZSTD_freeDCtx);
  if (!context) return fault(errc::busy, "no memory for zstd");
  bounded_output out(in.size(), allowed);
  ZSTD_inBuffer from{in.data(), in.size(), 0};
  while (true) {
    const mutable_bytes room = out.room();
    std::byte spare{};
    ZSTD_outBuffer to{room.empty() ? &spare : room.data(), room.empty() ? 1 : room.size(), 0};
    const std::size_t before = from.pos;
    const std::size_t hint = ZSTD_decompressStream(context.get(), &to, &from);
    if (ZSTD_isError(hint) != 0) return damaged(compression::zstd);
    if (room.empty() && to.pos != 0) return too_large(compression::zstd, allowed);
    out.wrote(to.pos);
    if (hint == 0 && from.pos == from.size) return out.take();
    if (to.pos == 0 && from.pos == before) return damaged(compression::zstd);
  }
}

result<byte_vector> gzip(bytes in, std::int32_t level) {
  z_stream z{};
  const int how = level == gzip_level_default ? Z_DEFAULT_COMPRESSION : std::clamp(level, 1, 9);
  if (deflateInit2(&z, how, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    return fault(errc::busy, "no memory for gzip");
  }
  byte_vector out(deflateBound(&z, in.size()));
  z.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(in.data()));
  z.avail_in = static_cast<uInt>(in.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  const int status = deflate(&z, Z_FINISH);
  out.resize(z.total_out);
  deflateEnd(&z);
  WEIR_ASSERT(status == Z_STREAM_END);
  return out;
}

byte_vector xerial(bytes in) {
  byte_vector out;
  byte_writer to(out);
  to.raw(std::as_bytes(std::span(xerial_magic)));
  to.be<std::uint32_t>(1);
  to.be<std::uint32_t>(1);
  for (std::size_t at = 0; at < in.size(); at += xerial_block_bytes) {
    const bytes block = in.subspan(at, std::min(xerial_block_bytes, in.size() - at));
    const std::size_t length_at = out.size();
    out.resize(length_at + 4 + snappy::MaxCompressedLength(block.size()));
    std::size_t size = 0;
    snappy::RawCompress(reinterpret_cast<const char*>(block.data()), block.size(),
                        reinterpret_cast<char*>(out.data() + length_at + 4), &size);
    store_be(out.data() + length_at, static_cast<std::uint32_t>(size));
    out.resize(length_at + 4 + size);
  }
  return out;
}

byte_vector lz4(bytes in, std::int32_t level) {
  LZ4F_preferences_t how{};
  // The library's levels below 3 are the fast mode; its slow one takes 3 to 12.
  how.compressionLevel = level == lz4_level_default ? 0 : std::clamp(level, 3, 12);
  how.frameInfo.blockMode = LZ4F_blockIndependent;  // Java's reader takes no other
  how.frameInfo.blockSizeID = LZ4F_max64KB;
  byte_vector out(LZ4F_compressFrameBound(in.size(), &how));
  const std::size_t size = LZ4F_compressFrame(out.data(), out.size(), in.data(), in.size(), &how);
  WEIR_ASSERT(LZ4F_isError(size) == 0);
  out.resize(size);
  return out;
}

byte_vector zstd(bytes in, std::int32_t level) {
  byte_vector out(ZSTD_compressBound(in.size()));
  const std::size_t size = ZSTD_compress(out.data(), out.size(), in.data(), in.size(),
                                         std::clamp(level, ZSTD_minCLevel(), ZSTD_maxCLevel()));
  WEIR_ASSERT(ZSTD_isError(size) == 0);
  out.resize(size);
  return out;
}

}  // namespace

std::string_view name_of(compression c) noexcept {
  switch (c) {
    case compression::none:
      return "none";
    case compression::gzip:
      return "gzip";
    case compression::snappy:
      return "snappy";
    case compression::lz4:
      return "lz4";
    case compression::zstd:
      return "zstd";
  }
  return "unknown";
}

std::size_t decompression_limits::allowed(std::size_t input) const {
  const std::size_t by_ratio = input > output_max / ratio_max ? output_max : input * ratio_max;
  return std::min(output_max, std::max(free_output, by_ratio));
}

result<byte_vector> decompress(compression c, bytes in, const decompression_limits& limits) {
  const std::size_t allowed = limits.allowed(in.size());
  switch (c) {
    case compression::none:
      if (in.size() > limits.output_max) return too_large(c, limits.output_max);
      return byte_vector(in.begin(), in.end());
    case compression::gzip:
      return gunzip(in, allowed);
    case compression::snappy:
      return unsnappy(in, allowed);
    case compression::lz4:
      return unlz4(in, allowed);
    case compression::zstd:
      return unzstd(in, allowed);
  }
  return fault(errc::unsupported, "unknown compression " + std::to_string(static_cast<int>(c)));
}

result<byte_vector> compress(compression c, bytes in, std::optional<std::int32_t> level) {
  switch (c) {
    case compression::none:
      return byte_vector(in.begin(), in.end());
    case compression::gzip:
      return gzip(in, level.value_or(gzip_level_default));
    case compression::snappy:
      return xerial(in);
    case compression::lz4:
      return lz4(in, level.value_or(lz4_level_default));
    case compression::zstd:
      return zstd(in, level.value_or(zstd_level_default));
  }
  return fault(errc::unsupported, "unknown compression " + std::to_string(static_cast<int>(c)));
}

}  // namespace weir::kafka
