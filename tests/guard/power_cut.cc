// Files are told apart by their inode, so that a database that is renamed stays the same. The system's VFS does the real
// work, without its fsync, so that the program reads what it has written; the truth about the disk is kept beside it.
#include "tests/guard/power_cut.h"

#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <new>
#include <random>
#include <string>
#include <vector>

#include "tests/run.h"

namespace tipstaff {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kSector = 512;

// A write, or, without bytes, a truncation to `at`.
struct Pending {
  std::uint64_t at = 0;
  std::string bytes;
  bool truncates = false;
};

struct Image {
  std::string durable;
  std::vector<Pending> pending;
  int open = 0;
};

void apply(std::string& file, const Pending& write, std::size_t from, std::size_t to) {
  if (write.truncates) {
    file.resize(write.at);
    return;
  }
  if (file.size() < write.at + to) file.resize(write.at + to, '\0');
  std::copy(write.bytes.begin() + static_cast<std::ptrdiff_t>(from),
            write.bytes.begin() + static_cast<std::ptrdiff_t>(to),
            file.begin() + static_cast<std::ptrdiff_t>(write.at + from));
}

std::uint64_t inode_of(const fs::path& path) {
  struct stat about{};
  return ::stat(path.c_str(), &about) == 0 ? about.st_ino : 0;
}

}  // namespace

struct PowerCut::Disk {
  sqlite3_vfs vfs{};
  sqlite3_vfs* system = nullptr;
  std::mt19937_64 random;
  std::map<std::uint64_t, Image> images;
  std::uint64_t operations = 0;
  std::uint64_t cut_at = 0;
  bool cut = false;
  std::uint64_t lost = 0;

  // False: the power is gone.
  bool operate() {
    if (!cut && ++operations == cut_at) cut = true;
    return !cut;
  }

  // What the disk holds of a file: its durable bytes, and of the writes since whatever has made it.
  std::string left_of(const Image& image) {
    std::string file = image.durable;
    const auto kind = random() % 3;
    const std::size_t prefix = image.pending.empty() ? 0 : random() % (image.pending.size() + 1);
    for (std::size_t i = 0; i < image.pending.size(); ++i) {
      const Pending& write = image.pending[i];
      const bool there = kind == 0 ? i < prefix : random() % 2 == 0;
      const bool torn = !write.truncates && (kind == 2 || i == prefix) && random() % 4 == 0;
      if (!there || torn) ++lost;
      if (torn) {
        for (std::size_t from = 0; from < write.bytes.size(); from += kSector) {
          if (random() % 2 == 0) apply(file, write, from, std::min(from + kSector, write.bytes.size()));
        }
      } else if (there) {
        apply(file, write, 0, write.bytes.size());
      }
    }
    return file;
  }
};

namespace {

// SQLite allocates szOsFile bytes: this, and behind it the system's own.
struct File {
  sqlite3_file base;
  PowerCut::Disk* disk;
  std::uint64_t inode;  // 0: shared memory or a temporary file, not watched

  [[nodiscard]] sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};

File& self(sqlite3_file* file) { return *reinterpret_cast<File*>(file); }
sqlite3_file* real(sqlite3_file* file) { return self(file).real(); }

int do_close(sqlite3_file* file) {
  File& one = self(file);
  if (one.inode != 0) --one.disk->images[one.inode].open;
  return real(file)->pMethods->xClose(real(file));
}

int do_write(sqlite3_file* file, const void* bytes, int size, sqlite3_int64 at) {
  File& one = self(file);
  const std::string_view text(static_cast<const char*>(bytes), static_cast<std::size_t>(size));
  if (one.inode != 0) {
    // The write in which the power goes may be there, or a part of it.
    const bool was_cut = one.disk->cut;
    const bool powered = one.disk->operate();
    if (!was_cut)
      one.disk->images[one.inode].pending.push_back({static_cast<std::uint64_t>(at), std::string(text), false});
    if (!powered) return SQLITE_IOERR_WRITE;
  }
  return real(file)->pMethods->xWrite(real(file), bytes, size, at);
}

int do_truncate(sqlite3_file* file, sqlite3_int64 size) {
  File& one = self(file);
  if (one.inode != 0) {
    if (!one.disk->operate()) return SQLITE_IOERR_TRUNCATE;
    one.disk->images[one.inode].pending.push_back({static_cast<std::uint64_t>(size), {}, true});
  }
  return real(file)->pMethods->xTruncate(real(file), size);
}

int do_sync(sqlite3_file* file, int /*flags*/) {
  File& one = self(file);
  if (one.inode == 0) return SQLITE_OK;
  if (!one.disk->operate()) return SQLITE_IOERR_FSYNC;
  Image& image = one.disk->images[one.inode];
  for (const Pending& write : image.pending) apply(image.durable, write, 0, write.bytes.size());
  image.pending.clear();
  return SQLITE_OK;
}

template <auto Method, class... Arguments>
int pass_on(sqlite3_file* file, Arguments... arguments) {
  return (real(file)->pMethods->*Method)(real(file), arguments...);
}

void do_barrier(sqlite3_file* file) { real(file)->pMethods->xShmBarrier(real(file)); }

constexpr sqlite3_io_methods kMethods = {
    .iVersion = 2,  // without memory-mapped reading
    .xClose = do_close,
    .xRead = pass_on<&sqlite3_io_methods::xRead>,
    .xWrite = do_write,
    .xTruncate = do_truncate,
    .xSync = do_sync,
    .xFileSize = pass_on<&sqlite3_io_methods::xFileSize>,
    .xLock = pass_on<&sqlite3_io_methods::xLock>,
    .xUnlock = pass_on<&sqlite3_io_methods::xUnlock>,
    .xCheckReservedLock = pass_on<&sqlite3_io_methods::xCheckReservedLock>,
    .xFileControl = pass_on<&sqlite3_io_methods::xFileControl>,
    .xSectorSize = pass_on<&sqlite3_io_methods::xSectorSize>,
    .xDeviceCharacteristics = [](sqlite3_file*) { return 0; },  // it promises nothing
    .xShmMap = pass_on<&sqlite3_io_methods::xShmMap>,
    .xShmLock = pass_on<&sqlite3_io_methods::xShmLock>,
    .xShmBarrier = do_barrier,
    .xShmUnmap = pass_on<&sqlite3_io_methods::xShmUnmap>,
    .xFetch = nullptr,
    .xUnfetch = nullptr,
};

int do_open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  auto& disk = *static_cast<PowerCut::Disk*>(vfs->pAppData);
  File* const one = new (file) File{{nullptr}, &disk, 0};
  const int code = disk.system->xOpen(disk.system, name, one->real(), flags, out_flags);
  if (code != SQLITE_OK) return code;
  one->base.pMethods = &kMethods;
  constexpr int kWatched = SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL;
  if (name == nullptr || (flags & kWatched) == 0) return SQLITE_OK;
  one->inode = inode_of(name);
  const std::string there = read_file(name);
  const auto [at, is_new] = disk.images.try_emplace(one->inode);
  Image& image = at->second;
  if (image.open++ == 0 && (is_new || there.empty())) {  // not known, or another file that was given the number
    image.durable = there;
    image.pending.clear();
  }
  return SQLITE_OK;
}

int do_delete(sqlite3_vfs* vfs, const char* name, int sync_folder) {
  auto& disk = *static_cast<PowerCut::Disk*>(vfs->pAppData);
  if (disk.cut) return SQLITE_IOERR_DELETE;
  disk.images.erase(inode_of(name));
  return disk.system->xDelete(disk.system, name, sync_folder);
}

}  // namespace

PowerCut::PowerCut(std::uint64_t seed) : disk_(std::make_unique<Disk>()) {
  disk_->random.seed(seed);
  disk_->system = sqlite3_vfs_find(nullptr);
  disk_->vfs = *disk_->system;
  disk_->vfs.zName = "power-cut";
  disk_->vfs.szOsFile += static_cast<int>(sizeof(File));
  disk_->vfs.pAppData = disk_.get();
  disk_->vfs.pNext = nullptr;
  disk_->vfs.xOpen = do_open;
  disk_->vfs.xDelete = do_delete;
  EXPECT_EQ(sqlite3_vfs_register(&disk_->vfs, 1), SQLITE_OK);
}

PowerCut::~PowerCut() {
  sqlite3_vfs_unregister(&disk_->vfs);
  sqlite3_vfs_register(disk_->system, 1);
}

void PowerCut::cut_at(std::uint64_t operation) {
  disk_->operations = 0;
  disk_->cut_at = operation;
}

bool PowerCut::is_cut() const { return disk_->cut; }

std::uint64_t PowerCut::operations() const { return disk_->operations; }

void PowerCut::lay_down(const fs::path& folder) {
  disk_->lost = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().string().ends_with("-shm")) {
      fs::remove(entry.path());
      continue;
    }
    const auto image = disk_->images.find(inode_of(entry.path()));
    if (image != disk_->images.end()) write_file(entry.path(), disk_->left_of(image->second));
  }
  disk_->images.clear();
  disk_->cut = false;
  disk_->cut_at = 0;
}

std::uint64_t PowerCut::lost() const { return disk_->lost; }

}  // namespace tipstaff
