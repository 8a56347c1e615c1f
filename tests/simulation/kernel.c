/* SPDX-License-Identifier: BSD-2-Clause */
/* Functions of the C library that this program replaces. */
#include "simulation/kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/error.h"
#include "simulation/fibers.h"

#define NS_PER_S 1000000000
#define INODES_MAX 65536u
#define ABOVE_MAX 16u
#define LOCKS_MAX 256u
#define LOCK_RETRY_NS 10000000u
#define LOCK_RETRY_MOST_NS UINT64_C(60000000000)

int simulated_clock_gettime(clockid_t clock, struct timespec *ret) __asm__("clock_gettime");
int simulated_fstat(int fd, struct stat *ret) __asm__("fstat64");
int simulated_fstatat(int dir, const char *name, struct stat *ret, int flags) __asm__("fstatat64");
int simulated_statx(int dir, const char *name, int flags, unsigned mask,
                    struct statx *ret) __asm__("statx");
int simulated_flock(int fd, int operation) __asm__("flock");

static bool bent;
static uint64_t inodes[INODES_MAX]; /* in the order they were first seen */
static unsigned inode_count;
static uint64_t above[ABOVE_MAX]; /* inodes of the directories above */
static unsigned above_count;
static struct {
    int fd;
    unsigned process;
} locks[LOCKS_MAX];
static unsigned lock_count;

/* --- clocks ------------------------------------------------------------------------------------ */

int
simulated_clock_gettime(clockid_t clock, struct timespec *ret)
{
    uint64_t ns = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE
                      ? (uint64_t)fibers_realtime()
                      : fibers_monotonic();

    if (!bent) {
        return (int)syscall(SYS_clock_gettime, clock, ret);
    }
    *ret = (struct timespec){.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};
    return 0;
}

/* --- files ------------------------------------------------------------------------------------- */

static uint64_t
number_of(uint64_t inode)
{
    for (unsigned i = 0; i < inode_count; i++) {
        if (inodes[i] == inode) {
            return 1000 + i;
        }
    }
    if (inode_count == INODES_MAX) {
        abort();
    }
    inodes[inode_count] = inode;
    return 1000 + inode_count++;
}

static bool
is_above(uint64_t inode)
{
    for (unsigned i = 0; i < above_count; i++) {
        if (above[i] == inode) {
            return true;
        }
    }
    return false;
}

static void
settle_stat(struct stat *st)
{
    if (S_ISDIR(st->st_mode)) {
        st->st_size = 0;
        st->st_nlink = 1;
        st->st_blocks = 0;
        if (is_above(st->st_ino)) {
            st->st_mtim = (struct timespec){.tv_sec = NS_PER_S};
        }
    }
    st->st_ctim = st->st_mtim;
    st->st_ino = number_of(st->st_ino);
}

int
simulated_fstat(int fd, struct stat *ret)
{
    int result = (int)syscall(SYS_newfstatat, fd, "", ret, AT_EMPTY_PATH);

    if (result == 0 && bent) {
        settle_stat(ret);
    }
    return result;
}

int
simulated_fstatat(int dir, const char *name, struct stat *ret, int flags)
{
    int result = (int)syscall(SYS_newfstatat, dir, name, ret, flags);

    if (result == 0 && bent) {
        settle_stat(ret);
    }
    return result;
}

int
simulated_statx(int dir, const char *name, int flags, unsigned mask, struct statx *ret)
{
    int result = (int)syscall(SYS_statx, dir, name, flags, mask, ret);

    if (result == 0 && bent) {
        if (S_ISDIR(ret->stx_mode)) {
            ret->stx_size = 0;
            ret->stx_nlink = 1;
            ret->stx_blocks = 0;
            if (is_above(ret->stx_ino)) {
                ret->stx_mtime = (struct statx_timestamp){.tv_sec = NS_PER_S};
            }
        }
        ret->stx_ctime = ret->stx_mtime;
        ret->stx_ino = number_of(ret->stx_ino);
    }
    return result;
}

/* --- locks ------------------------------------------------------------------------------------- */

static void
forget_lock(int fd)
{
    for (unsigned i = 0; i < lock_count; i++) {
        if (locks[i].fd == fd) {
            locks[i] = locks[--lock_count];
            return;
        }
    }
}

int
simulated_flock(int fd, int operation)
{
    int result = (int)syscall(SYS_flock, fd, operation | LOCK_NB);
    uint64_t pause = LOCK_RETRY_NS;

    while (result != 0 && errno == EWOULDBLOCK && bent && (operation & LOCK_NB) == 0) {
        fibers_sleep(pause);
        pause = pause < LOCK_RETRY_MOST_NS ? pause * 2 : pause; /* who has it may sleep for days */
        result = (int)syscall(SYS_flock, fd, operation | LOCK_NB);
    }
    forget_lock(fd);
    if (result == 0 && (operation & LOCK_UN) == 0) {
        if (lock_count == LOCKS_MAX) {
            abort();
        }
        locks[lock_count].fd = fd;
        locks[lock_count++].process = process_current();
    }
    return result;
}

/** The kernel closes what a killed process had open. */
static void
release_locks(unsigned process)
{
    for (unsigned i = 0; i < lock_count;) {
        if (locks[i].process == process) {
            (void)syscall(SYS_flock, locks[i].fd, LOCK_UN);
            locks[i] = locks[--lock_count];
        } else {
            i++;
        }
    }
}

/* --- on and off -------------------------------------------------------------------------------- */

void
kernel_begin(const char *directory)
{
    char path[4096];

    (void)snprintf(path, sizeof(path), "%s", directory);
    above_count = 0;
    inode_count = 0;
    lock_count = 0;
    for (;;) {
        struct stat st;
        char *slash = strrchr(path, '/');
        if (above_count == ABOVE_MAX || simulated_fstatat(AT_FDCWD, path, &st, 0) != 0) {
            abort();
        }
        above[above_count++] = st.st_ino;
        if (strcmp(path, "/") == 0 || slash == NULL) {
            break;
        }
        slash[slash == path ? 1 : 0] = '\0';
    }
    fibers_on_kill(release_locks);
    bent = true;
}

void
kernel_end(void)
{
    bent = false;
}
