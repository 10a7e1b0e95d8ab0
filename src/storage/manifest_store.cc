#include "storage/manifest_store.h"

#include <algorithm>

namespace weir::storage {

namespace {
constexpr const char* name = "manifest";
constexpr const char* new_name = "manifest.new";
}  // namespace

manifest_store::manifest_store(platform::disk& disk, const store_options& options)
    : disk_(disk), options_(options), alive_(std::make_shared<manifest_store*>(this)) {}

result<std::vector<manifest_edit>> manifest_store::load(std::uint64_t store_id) {
  std::vector<manifest_edit> edits;
  auto f = disk_.open(name, {});
  if (!f) {
    if (f.error().code == errc::not_found) return edits;
    return f.error();
  }
  byte_vector data(static_cast<std::size_t>((*f)->size()));
  auto got = (*f)->read_now(0, data);
  if (!got) return got.error();
  data.resize(*got);
  auto id = decode_manifest_header(data);
  if (!id) return id.error();
  if (*id != store_id) return fault(errc::corrupt, "manifest: it belongs to another store");
  std::size_t at = manifest_header_bytes;
  while (at < data.size()) {
    std::size_t used = 0;
    auto edit = decode_manifest_edit(bytes(data).subspan(at), used);
    if (!edit && edit.error().code == errc::torn && !edits.empty()) {
      // Only the last edit can be unfinished: a whole one behind it means damage.
      for (std::size_t p = at + 1; p + manifest_edit_header_bytes <= data.size(); ++p) {
        if (load_le<std::uint64_t>(data.data() + p + 8) <= edits.back().seq) continue;
        if (load_le<std::uint64_t>(data.data() + p + 8) > edits.back().seq + 64) continue;
        if (auto later = decode_manifest_edit(bytes(data).subspan(p), used); later) {
          return fault(errc::corrupt, "manifest at byte " + std::to_string(at) + ": an edit is damaged");
        }
      }
      break;
    }
    if (!edit) {
      const errc code = edit.error().code == errc::unsupported ? errc::unsupported : errc::corrupt;
      return fault(code, "manifest at byte " + std::to_string(at) + ": " + edit.error().describe());
    }
    if (edit->seq != edits.size() + 1)
      return fault(errc::corrupt, "manifest at byte " + std::to_string(at) + ": out of order");
    edits.push_back(std::move(*edit));
    at += used;
  }
  if (edits.empty()) return fault(errc::corrupt, "manifest: it is empty");
  data.resize(at);
  loaded_ = std::move(data);
  return edits;
}

result<void> manifest_store::make_durable() {
  if (loaded_.empty()) return {};
  if (auto old = disk_.unlink_now(new_name); !old && old.error().code != errc::not_found) return old;
  auto f = disk_.open(new_name, {.create = true});
  if (!f) return f.error();
  if (auto ok = (*f)->write_now(0, loaded_); !ok) return ok;
  if (auto ok = (*f)->sync_now(); !ok) return ok;
  if (auto ok = disk_.rename(new_name, name); !ok) return ok;
  byte_vector().swap(loaded_);
  return disk_.sync_folder_now("");
}

void manifest_store::append(manifest_edit edit, bool full, std::uint64_t store_id,
                            std::function<void(result<void>)> done) {
  if (full) {
    edit.seq = 1;
    next_seq_ = 2;
    auto data = std::make_shared<byte_vector>(encode_manifest_header(store_id));
    const byte_vector body = encode_manifest_edit(edit);
    data->insert(data->end(), body.begin(), body.end());
    return rewrite(std::move(data), std::move(done));
  }
  edit.seq = next_seq_++;
  auto data = std::make_shared<byte_vector>(encode_manifest_edit(edit));
  auto handle = handle_;
  const std::uint64_t at = size_;
  size_ += data->size();
  handle->write(at, {bytes(*data)},
                [this, alive = std::weak_ptr(alive_), data, handle, done](const result<std::size_t>& moved) {
                  if (alive.expired()) return;
                  if (!moved || *moved != data->size()) {
                    handle_.reset();
                    return done(moved ? fault(errc::io, "manifest: short write") : moved.error());
                  }
                  if (options_.planted == planted_fault::manifest_sync_skipped) return done({});
                  handle->sync([this, alive, handle, done](const result<void>& synced) {
                    if (alive.expired()) return;
                    if (!synced) handle_.reset();
                    done(synced);
                  });
                });
}

void manifest_store::rewrite(std::shared_ptr<byte_vector> data, std::function<void(result<void>)> done) {
  handle_.reset();
  // Left over from a rewrite that did not finish; its length must not show through the new one.
  if (auto old = disk_.unlink_now(new_name); !old && old.error().code != errc::not_found) return done(old.error());
  auto f = disk_.open(new_name, {.create = true});
  if (!f) return done(f.error());
  auto handle = *f;
  const auto alive = std::weak_ptr(alive_);
  const auto renamed = [this, alive, handle, data, done](const result<void>& outcome) {
    if (alive.expired()) return;
    if (!outcome) return done(outcome);
    handle_ = handle;
    size_ = data->size();
    rewrite_at_ = std::max<std::uint64_t>(options_.manifest_rewrite_bytes, size_ * 4);
    done({});
  };
  const auto synced = [this, alive, handle, done, renamed](const result<void>& outcome) {
    if (alive.expired()) return;
    if (!outcome) return done(outcome);
    if (auto ok = disk_.rename(new_name, name); !ok) return done(ok);
    disk_.sync_folder("", renamed);
  };
  handle->write(0, {bytes(*data)}, [this, alive, handle, data, done, synced](const result<std::size_t>& moved) {
    if (alive.expired()) return;
    if (!moved || *moved != data->size()) return done(moved ? fault(errc::io, "manifest: short write") : moved.error());
    if (options_.planted == planted_fault::manifest_sync_skipped) return synced({});
    handle->sync(synced);
  });
}

}  // namespace weir::storage
