/* Records what one process does to the files below a directory, in the order in which the kernel took it.
 *
 * Loaded with LD_PRELOAD below libsqlite3, so that SQLite's own unix VFS runs unchanged and its syncs of directories
 * are seen, not assumed. Each call goes to the C library first; what succeeded is appended to the trace while a lock
 * is held, so the order in the trace is the order of the effects. A program that writes its files through a shared
 * mapping would escape: that is recorded, too, and ends the proof (SQLite maps only its -shm file, which no recovery
 * reads).
 *
 * CRASH_ROOT: absolute directory; CRASH_TRACE: file to append to, outside of it. One entry of the trace is, in little
 * endian: u8 kind, i32 descriptor, u64 offset (or flags, or size), u32 length, then `length` bytes: a path, written
 * data or the text of a mark.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

enum { DESCRIPTORS_MAX = 4096, FAILED = 70 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char watched[DESCRIPTORS_MAX];
static char is_shared_memory[DESCRIPTORS_MAX];
static int trace = -1;
static const char *root;
static size_t root_length;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static void give_up(const char *why) {
  dprintf(2, "journal_crash: %s\n", why);
  _exit(FAILED);
}

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("CRASH_TRACE");
  root = getenv("CRASH_ROOT");
  if (!path || !root) give_up("CRASH_ROOT and CRASH_TRACE must be set");
  root_length = strlen(root);
  trace = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (trace < 0) give_up("the trace cannot be opened");
}

static int below(const char *path) {
  return root && !strncmp(path, root, root_length) && (path[root_length] == '/' || !path[root_length]);
}

static int known(int fd) { return fd >= 0 && fd < DESCRIPTORS_MAX && watched[fd]; }

static void put(const void *data, size_t length) {
  const char *at = data;
  while (length) {
    ssize_t done = syscall(SYS_write, trace, at, length);
    if (done <= 0) give_up("the trace cannot be written");
    at += done;
    length -= (size_t)done;
  }
}

static void record(char kind, int fd, uint64_t number, const void *data, size_t length) {
  char header[17];
  int32_t descriptor = fd;
  uint32_t size = (uint32_t)length;
  header[0] = kind;
  memcpy(header + 1, &descriptor, 4);
  memcpy(header + 5, &number, 8);
  memcpy(header + 13, &size, 4);
  put(header, sizeof header);
  put(data, length);
}

/* Called by the recorded program: what it knows at this moment. */
void journal_crash_mark(const char *text) {
  pthread_mutex_lock(&lock);
  record('M', -1, 0, text, strlen(text));
  pthread_mutex_unlock(&lock);
}

static void opened(int fd, const char *path, int flags) {
  if (fd < 0) return;
  if (fd >= DESCRIPTORS_MAX) give_up("a descriptor is out of range");
  size_t length = strlen(path);
  watched[fd] = (char)below(path);
  is_shared_memory[fd] = length > 4 && !strcmp(path + length - 4, "-shm");
  if (watched[fd]) record('O', fd, (uint64_t)(uint32_t)flags, path, length);
}

#define OPEN(name)                                                         \
  int name(const char *path, int flags, ...) {                             \
    mode_t mode = 0;                                                       \
    if (flags & (O_CREAT | O_TMPFILE)) {                                   \
      va_list arguments;                                                   \
      va_start(arguments, flags);                                          \
      mode = va_arg(arguments, mode_t);                                    \
      va_end(arguments);                                                   \
    }                                                                      \
    pthread_mutex_lock(&lock);                                             \
    int fd = REAL(name)(path, flags, mode);                                \
    opened(fd, path, flags);                                               \
    pthread_mutex_unlock(&lock);                                           \
    return fd;                                                             \
  }
OPEN(open)
OPEN(open64)

int close(int fd) {
  pthread_mutex_lock(&lock);
  if (known(fd)) {
    record('C', fd, 0, "", 0);
    watched[fd] = 0;
  }
  int result = REAL(close)(fd);
  pthread_mutex_unlock(&lock);
  return result;
}

#define PWRITE(name, offset_type)                                          \
  ssize_t name(int fd, const void *data, size_t length, offset_type at) {  \
    pthread_mutex_lock(&lock);                                             \
    ssize_t done = REAL(name)(fd, data, length, at);                       \
    if (done > 0 && known(fd)) record('W', fd, (uint64_t)at, data, (size_t)done); \
    pthread_mutex_unlock(&lock);                                           \
    return done;                                                           \
  }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

ssize_t write(int fd, const void *data, size_t length) {
  pthread_mutex_lock(&lock);
  ssize_t done = REAL(write)(fd, data, length);
  if (done > 0 && known(fd)) {
    off_t after = lseek(fd, 0, SEEK_CUR);
    record('W', fd, (uint64_t)(after - done), data, (size_t)done);
  }
  pthread_mutex_unlock(&lock);
  return done;
}

#define ON_DESCRIPTOR(name, kind)                                          \
  int name(int fd) {                                                       \
    pthread_mutex_lock(&lock);                                             \
    int result = REAL(name)(fd);                                           \
    if (!result && known(fd)) record(kind, fd, 0, "", 0);                  \
    pthread_mutex_unlock(&lock);                                           \
    return result;                                                         \
  }
ON_DESCRIPTOR(fsync, 'S')
ON_DESCRIPTOR(fdatasync, 'S')

#define TRUNCATE(name, offset_type)                                        \
  int name(int fd, offset_type size) {                                     \
    pthread_mutex_lock(&lock);                                             \
    int result = REAL(name)(fd, size);                                     \
    if (!result && known(fd)) record('T', fd, (uint64_t)size, "", 0);      \
    pthread_mutex_unlock(&lock);                                           \
    return result;                                                         \
  }
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)

int unlink(const char *path) {
  pthread_mutex_lock(&lock);
  int result = REAL(unlink)(path);
  if (!result && below(path)) record('U', -1, 0, path, strlen(path));
  pthread_mutex_unlock(&lock);
  return result;
}

int mkdir(const char *path, mode_t mode) {
  pthread_mutex_lock(&lock);
  int result = REAL(mkdir)(path, mode);
  if (!result && below(path)) record('D', -1, 0, path, strlen(path));
  pthread_mutex_unlock(&lock);
  return result;
}

#define MAPPED(name, offset_type)                                          \
  void *name(void *where, size_t length, int protection, int flags, int fd, offset_type at) { \
    void *result = REAL(name)(where, length, protection, flags, fd, at);   \
    pthread_mutex_lock(&lock);                                             \
    if (known(fd) && (flags & MAP_SHARED) && (protection & PROT_WRITE) && !is_shared_memory[fd]) \
      record('!', fd, 0, "", 0);                                           \
    pthread_mutex_unlock(&lock);                                           \
    return result;                                                         \
  }
MAPPED(mmap, off_t)
MAPPED(mmap64, off64_t)
