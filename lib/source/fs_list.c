/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading a directory's names compactly and sorting them: ten bytes a name beside the name, so that
 * a directory of a million costs some 30 MB and no spilling. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/file.h"
#include "source/fs_internal.h"

#define RECORD_NAME 5u /* inode number and length come before the name */
#define CACHE_SIGNATURE "Signature: 8a477f597d28d172789f06886806bc55"

void
fs_listing_release(struct fs_listing *l)
{
    vv_free(l->records);
    vv_free(l->offsets);
    *l = (struct fs_listing){0};
}

/* Grow by half: at a million names doubling would waste as much as the names take. */
static bool
grow(void **array, size_t *cap, size_t need, size_t item, size_t least)
{
    if (need <= *cap) {
        return true;
    }
    size_t want = *cap + *cap / 2;
    want = want < least ? least : want;
    want = want < need ? need : want;
    void *grown = vv_realloc_array(*array, want, item);
    if (grown == NULL) {
        return false;
    }
    *array = grown;
    *cap = want;
    return true;
}

int
fs_listing_add(struct fs_listing *l, const void *name, size_t len, uint64_t inode)
{
    if (len == 0 || len > LIMIT_NAME) {
        return ENAMETOOLONG;
    }
    size_t need = l->len + RECORD_NAME + len + 1;
    if (need > UINT32_MAX) {
        return EOVERFLOW;
    }
    void *records = l->records;
    void *offsets = l->offsets;
    bool room = grow(&records, &l->cap, need, 1, 1024);
    l->records = records;
    room = room && grow(&offsets, &l->offset_cap, l->count + 1, sizeof(uint32_t), 32);
    l->offsets = offsets;
    if (!room) {
        return ENOMEM;
    }
    uint8_t *record = l->records + l->len;
    vv_store_u32(record, (uint32_t)inode);
    record[4] = (uint8_t)len;
    memcpy(record + RECORD_NAME, name, len);
    record[RECORD_NAME + len] = 0;
    l->offsets[l->count++] = (uint32_t)l->len;
    l->len = need;
    return 0;
}

int
fs_listing_read(struct fs_listing *l, int fd, uint8_t *buffer, struct vv_cancel *cancel)
{
    for (;;) {
        if (vv_cancel_check(cancel, NULL) != VV_OK) {
            return ECANCELED;
        }
        ssize_t got = getdents64(fd, buffer, FS_LIST_BUFFER);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return got == 0 ? 0 : errno;
        }
        for (size_t at = 0; at < (size_t)got;) {
            const struct dirent64 *d = (const void *)(buffer + at);
            const char *name = d->d_name;
            at += d->d_reclen;
            if (name[0] == '.' && (name[1] == 0 || (name[1] == '.' && name[2] == 0))) {
                continue;
            }
            int error = fs_listing_add(l, name, strlen(name), d->d_ino);
            if (error != 0) {
                return error;
            }
        }
    }
}

const char *
fs_listing_name(const struct fs_listing *l, size_t i, size_t *ret_len)
{
    const uint8_t *record = l->records + l->offsets[i];
    *ret_len = record[4];
    return (const char *)record + RECORD_NAME;
}

uint32_t
fs_listing_inode(const struct fs_listing *l, size_t i)
{
    return vv_load_u32(l->records + l->offsets[i]);
}

/* Names hold no NUL and have one behind them, so this is the order of bytes, prefix first. */
static int
compare_offsets(const void *a, const void *b, void *records)
{
    const char *base = (const char *)records + RECORD_NAME;
    return strcmp(base + *(const uint32_t *)a, base + *(const uint32_t *)b);
}

void
fs_listing_sort(struct fs_listing *l)
{
    if (l->count == 0) {
        return;
    }
    qsort_r(l->offsets, l->count, sizeof(*l->offsets), compare_offsets, l->records);
    size_t kept = 1;
    for (size_t i = 1; i < l->count; i++) {
        if (compare_offsets(&l->offsets[kept - 1], &l->offsets[i], l->records) != 0) {
            l->offsets[kept++] = l->offsets[i];
        }
    }
    l->count = kept;
}

bool
fs_listing_has(const struct fs_listing *l, const char *name)
{
    size_t low = 0;
    size_t high = l->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        size_t len;
        int order = strcmp(fs_listing_name(l, middle, &len), name);
        if (order == 0) {
            return true;
        }
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    return false;
}

size_t
fs_listing_keep(struct fs_listing *l, bool (*keep)(const char *name, void *arg), void *arg)
{
    size_t kept = 0;
    size_t count = l->count;
    for (size_t i = 0; i < count; i++) {
        size_t len;
        if (keep(fs_listing_name(l, i, &len), arg)) {
            l->offsets[kept++] = l->offsets[i];
        }
    }
    l->count = kept;
    return count - kept;
}

bool
fs_is_cache_directory(struct fs_handles *h, int fd)
{
    char head[sizeof(CACHE_SIGNATURE) - 1];
    VV_CLEANUP(vv_fd_closep)
    int tag = fs_openat(h, fd, FS_CACHE_TAG, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, true);
    if (tag < 0) {
        return false;
    }
    struct fs_stat stat;
    fs_stat_fd(tag, &stat);
    size_t got = 0;
    return stat.error == 0 && fs_type(stat.mode) == ENTRY_FILE &&
           vv_fd_read_full(tag, head, sizeof(head), FS_CACHE_TAG, &got, NULL) == VV_OK &&
           got == sizeof(head) && memcmp(head, CACHE_SIGNATURE, sizeof(head)) == 0;
}
