#include "platform/posix/posix_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>

#include "base/assert.h"
#include "platform/posix/posix_error.h"

namespace weir::platform {

// ---- write_order ----

std::uint64_t write_order::begin_write() {
  open_.insert(open_.end(), next_);
  return next_++;
}

void write_order::end_write(std::uint64_t id) {
  open_.erase(id);
  const std::uint64_t oldest = open_.empty() ? next_ : *open_.begin();
  while (!waiting_.empty() && waiting_.front().below <= oldest) {
    const auto start = std::move(waiting_.front().start);
    waiting_.erase(waiting_.begin());
    start();
  }
}

void write_order::after_writes(std::function<void()> start) {
  if (open_.empty()) return start();
  waiting_.push_back({next_, std::move(start)});
}

// ---- system calls ----

std::vector<iovec> to_iovecs(const std::vector<bytes>& parts) {
  std::vector<iovec> out;
  out.reserve(parts.size());
  for (const bytes& p : parts) {
    if (!p.empty()) out.push_back({const_cast<std::byte*>(p.data()), p.size()});
  }
  return out;
}

void advance(std::vector<iovec>& parts, std::size_t& first, std::size_t done) {
  while (done > 0) {
    iovec& v = parts[first];
    const std::size_t step = std::min(done, v.iov_len);
    v.iov_base = static_cast<char*>(v.iov_base) + step;
    v.iov_len -= step;
    done -= step;
    if (v.iov_len == 0) ++first;
  }
}

result<std::size_t> write_all(int fd, std::uint64_t pos, std::vector<iovec> parts, const std::string& path) {
  std::size_t first = 0;
  std::size_t total = 0;
  while (first < parts.size()) {
    const int count = static_cast<int>(std::min<std::size_t>(parts.size() - first, IOV_MAX));
    const ssize_t n = ::pwritev(fd, parts.data() + first, count, static_cast<off_t>(pos + total));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fault_from_errno(errno, "write " + path);
    if (n == 0) return fault(errc::io, "write " + path + ": the system wrote nothing");
    total += static_cast<std::size_t>(n);
    advance(parts, first, static_cast<std::size_t>(n));
  }
  return total;
}

result<std::size_t> read_up_to(int fd, std::uint64_t pos, mutable_bytes into, const std::string& path) {
  std::size_t total = 0;
  while (total < into.size()) {
    const ssize_t n = ::pread(fd, into.data() + total, into.size() - total, static_cast<off_t>(pos + total));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fault_from_errno(errno, "read " + path);
    if (n == 0) break;
    total += static_cast<std::size_t>(n);
  }
  return total;
}

bool in_page_cache(int fd, std::uint64_t pos, std::size_t length) {
  void* const at = ::mmap(nullptr, length, PROT_READ, MAP_SHARED, fd, static_cast<off_t>(pos));
  if (at == MAP_FAILED) return true;  // the ordinary way is never wrong
  std::vector<unsigned char> pages((length + disk_block_bytes - 1) / disk_block_bytes);
  const bool known = ::mincore(at, length, pages.data()) == 0;
  ::munmap(at, length);
  return !known || std::all_of(pages.begin(), pages.end(), [](unsigned char p) { return (p & 1) != 0; });
}

result<void> sync_fd(int fd, const std::string& path) {
  // Not repeated on any error: after a failed sync the kernel may have dropped the pages.
  if (::fdatasync(fd) != 0) return fault_from_errno(errno, "sync " + path);
  return {};
}

result<void> allocate_fd(int fd, std::uint64_t length, const std::string& path) {
  int rc = 0;
  do rc = ::fallocate(fd, 0, 0, static_cast<off_t>(length));
  while (rc != 0 && errno == EINTR);
  if (rc == 0) return {};
  if (errno != EOPNOTSUPP && errno != ENOSYS) return fault_from_errno(errno, "allocate " + path);
  // No reservation on this file system (NFS, some overlays): at least the size is there.
  struct stat st {};
  if (::fstat(fd, &st) == 0 && static_cast<std::uint64_t>(st.st_size) >= length) return {};
  if (::ftruncate(fd, static_cast<off_t>(length)) != 0) return fault_from_errno(errno, "extend " + path);
  return {};
}

result<void> unlink_path(const std::string& full, const std::string& path) {
  if (::unlink(full.c_str()) != 0) return fault_from_errno(errno, "remove " + path);
  return {};
}

result<void> sync_folder_path(const std::string& full, const std::string& path) {
  const unique_fd fd(::open(full.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) return fault_from_errno(errno, "open folder " + path);
  if (::fsync(fd.get()) != 0) return fault_from_errno(errno, "sync folder " + path);
  return {};
}

// ---- posix_file ----

result<std::size_t> posix_file::read_now(std::uint64_t pos, mutable_bytes into) {
  return read_up_to(f_->fd.get(), pos, into, f_->path);
}

result<void> posix_file::write_now(std::uint64_t pos, bytes data) {
  auto done = write_all(f_->fd.get(), pos, to_iovecs({data}), f_->path);
  if (!done) return done.error();
  return {};
}

result<void> posix_file::sync_now() {
  auto done = sync_fd(f_->fd.get(), f_->path);
  // Direct writes come next: pages that they would have to throw away one by one go now.
  if (done && f_->durable) (void)::posix_fadvise(f_->fd.get(), 0, 0, POSIX_FADV_DONTNEED);
  return done;
}

result<void> posix_file::truncate_now(std::uint64_t length) {
  if (::ftruncate(f_->fd.get(), static_cast<off_t>(length)) != 0) return fault_from_errno(errno, "cut " + f_->path);
  return {};
}

std::uint64_t posix_file::size() const {
  struct stat st {};
  return ::fstat(f_->fd.get(), &st) == 0 ? static_cast<std::uint64_t>(st.st_size) : 0;
}

void posix_file::assert_aligned(std::uint64_t pos, const std::vector<bytes>& parts) const {
  if (!f_->durable) return;
  WEIR_ASSERT(pos % disk_block_bytes == 0);
  for (const bytes& p : parts) {
    WEIR_ASSERT(p.size() % disk_block_bytes == 0);
    WEIR_ASSERT(reinterpret_cast<std::uintptr_t>(p.data()) % disk_block_bytes == 0);
  }
}

// ---- posix_disk ----

std::string posix_disk::full(const std::string& path) const {
  WEIR_ASSERT(path.empty() || path.front() != '/');
  WEIR_ASSERT(path.find("..") == std::string::npos);
  return path.empty() ? folder_ : folder_ + "/" + path;
}

result<std::shared_ptr<open_file>> posix_disk::open_fds(const std::string& path, open_options options, bool direct) {
  auto f = std::make_shared<open_file>();
  f->path = path;
  f->durable = options.durable_writes;
  f->written_once = options.written_once;
  f->direct_reads = options.direct_reads;
  const int flags =
      O_RDWR | O_CLOEXEC | (options.create ? O_CREAT : 0) | (options.create && options.exclusive ? O_EXCL : 0);
  f->fd = unique_fd(::open(full(path).c_str(), flags, 0640));
  if (!f->fd.valid()) return fault_from_errno(errno, "open " + path);
  if (direct && options.durable_writes) {
    f->direct = unique_fd(::open(full(path).c_str(), O_RDWR | O_CLOEXEC | O_DIRECT | O_DSYNC));
  }
  return f;
}

result<void> posix_disk::make_folder(const std::string& path) {
  if (::mkdir(full(path).c_str(), 0750) != 0 && errno != EEXIST)
    return fault_from_errno(errno, "create folder " + path);
  return {};
}

result<std::vector<folder_entry>> posix_disk::list(const std::string& path) {
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(full(path).c_str()), ::closedir);
  if (!dir) return fault_from_errno(errno, "list " + path);
  std::vector<folder_entry> out;
  while (const dirent* e = ::readdir(dir.get())) {
    const std::string name = e->d_name;
    if (name == "." || name == "..") continue;
    struct stat st {};
    if (::fstatat(::dirfd(dir.get()), e->d_name, &st, 0) != 0) continue;  // went away meanwhile
    out.push_back({name, static_cast<std::uint64_t>(st.st_size), S_ISDIR(st.st_mode)});
  }
  std::sort(out.begin(), out.end(), [](const folder_entry& a, const folder_entry& b) { return a.name < b.name; });
  return out;
}

result<void> posix_disk::rename(const std::string& from, const std::string& to) {
  if (::rename(full(from).c_str(), full(to).c_str()) != 0)
    return fault_from_errno(errno, "rename " + from + " to " + to);
  return {};
}

result<space_info> posix_disk::space() {
  struct statvfs st {};
  if (::statvfs(folder_.c_str(), &st) != 0) return fault_from_errno(errno, "free space of " + folder_);
  return space_info{static_cast<std::uint64_t>(st.f_blocks) * st.f_frsize,
                    static_cast<std::uint64_t>(st.f_bavail) * st.f_frsize};
}

result<void> posix_disk::unlink_now(const std::string& path) { return unlink_path(full(path), path); }

result<void> posix_disk::sync_folder_now(const std::string& path) { return sync_folder_path(full(path), path); }

}  // namespace weir::platform
