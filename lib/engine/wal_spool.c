/* SPDX-License-Identifier: BSD-2-Clause */
/* Segments fetched ahead. */
#include "engine/wal_spool.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/file.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "engine/wal_target.h"
#include "format/wal.h"

#define MAC_LEN 32u
#define SEGMENT_MOST (64u << 20) /* larger ones are not fetched ahead */

static bool
spool_directory(struct repo *r, uint64_t system, struct vv_buf *out)
{
    char name[48];

    (void)snprintf(name, sizeof(name), "wal-spool-%llu", (unsigned long long)system);
    return repo_cache_path(r, name, out) && !out->failed;
}

static void
seal(struct repo *r, const char *name, const uint8_t *data, size_t len, uint8_t out[MAC_LEN])
{
    const struct vv_span parts[] = {vv_span(name, strlen(name)), vv_span(data, len)};
    uint8_t key[32];

    keyring_local_key(repo_keyring(r), "wal spool", key);
    blake2b_256(key, sizeof(key), parts, VV_COUNT(parts), out);
    crypto_wipe(key, sizeof(key));
}

static enum vv_rc
put_in_place(const char *path, const uint8_t *data, size_t len, struct vv_error *err)
{
    struct wal_target t;
    enum vv_rc rc;

    VV_TRY(wal_target_open(path, &t, err));
    rc = vv_fd_write_full(t.fd, data, len, path, err);
    if (rc == VV_OK) {
        rc = wal_target_finish(&t, path, err);
    }
    wal_target_release(&t);
    return rc;
}

enum vv_rc
wal_spool_take(struct repo *r, uint64_t system, const char *name, const char *path, bool *ret,
               struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf file = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf content = {0};
    uint8_t mac[MAC_LEN];
    size_t len;
    enum vv_rc rc = VV_OK;

    *ret = false;
    if (wal_file_name_parse(name).kind != WAL_FILE_SEGMENT || !spool_directory(r, system, &file)) {
        return VV_OK;
    }
    vv_buf_printf(&file, "/%s", name);
    (void)vv_buf_text(&file);
    if (file.failed || vv_file_read(AT_FDCWD, vv_buf_text(&file), SEGMENT_MOST + MAC_LEN, &content,
                                    NULL) != VV_OK) {
        return VV_OK;
    }
    len = content.len > MAC_LEN ? content.len - MAC_LEN : 0;
    if (wal_segment_size_valid(len)) {
        seal(r, name, content.data, len, mac);
        if (crypto_equal(mac, content.data + len, MAC_LEN)) {
            rc = put_in_place(path, content.data, len, err);
            *ret = rc == VV_OK;
        }
    }
    if (rc == VV_OK) {
        (void)unlink(vv_buf_text(&file));
    }
    return rc;
}

/** One segment into the spool. */
static enum vv_rc
fetch_ahead(struct repo *r, struct wal_fetcher *f, uint64_t system, const char *name,
            const struct wal_found *found, const char *path, struct vv_error *err)
{
    VV_CLEANUP(vv_freep) uint8_t *data = vv_alloc((size_t)found->size + MAC_LEN);
    VV_CLEANUP(vv_fd_closep) int fd = -1;
    size_t got = 0;

    if (data == NULL) {
        return vv_error_nomem(err);
    }
    VV_TRY(vv_temp_file(repo_temp_dir(r), &fd, err));
    VV_TRY(wal_fetch_write(f, system, name, found, fd, path, err));
    VV_TRY(vv_fd_pread_full(fd, data, (size_t)found->size, 0, path, &got, err));
    if (got != found->size) {
        return vv_error_set(err, VV_EIO, "'%s' became shorter", path);
    }
    seal(r, name, data, got, data + got);
    return put_in_place(path, data, got + MAC_LEN, err);
}

/** What lies there of before: nobody will ask for it again. */
static void
forget_older(const char *directory, const char *name)
{
    DIR *d = opendir(directory);
    const struct dirent *e;

    while (d != NULL && (e = readdir(d)) != NULL) {
        if (e->d_name[0] != '.' && strcmp(e->d_name, name) <= 0) {
            (void)unlinkat(dirfd(d), e->d_name, 0);
        }
    }
    if (d != NULL) {
        (void)closedir(d);
    }
}

void
wal_spool_fill(struct repo *r, struct wal_fetcher *f, uint64_t system, const char *name,
               unsigned count)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf directory = {0};
    struct wal_file_name n = wal_file_name_parse(name);
    uint32_t size = wal_catalog_segment_size(wal_fetcher_catalog(f), system);
    uint64_t number = 0;

    if (n.kind != WAL_FILE_SEGMENT || size == 0 || size > SEGMENT_MOST ||
        !wal_file_number(&n, size, &number) || !spool_directory(r, system, &directory) ||
        vv_mkdir_all(vv_buf_text(&directory), 0700, NULL) != VV_OK) {
        return;
    }
    forget_older(vv_buf_text(&directory), name);
    for (unsigned i = 1; i <= count; i++) {
        VV_CLEANUP(vv_buf_release) struct vv_buf path = {0};
        struct wal_found found = {0};
        struct vv_error why = {0};
        struct stat st;
        char next[WAL_NAME];
        wal_name(n.timeline, number + i, size, next);
        vv_buf_printf(&path, "%s/%s", vv_buf_text(&directory), next);
        if (stat(vv_buf_text(&path), &st) == 0) {
            continue;
        }
        if (path.failed || wal_fetch_find(f, system, next, &found, &why) != VV_OK ||
            found.snapshot == NULL || found.stored != found.size ||
            fetch_ahead(r, f, system, next, &found, vv_buf_text(&path), &why) != VV_OK) {
            return;
        }
    }
}
