/* SPDX-License-Identifier: BSD-2-Clause */
/* Adding a host's key to a known_hosts file. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/file.h"
#include "core/random.h"
#include "crypto/hash.h"
#include "ssh/known_hosts.h"

static enum vv_rc
put_hashed(const char *name, struct vv_buf *out, struct vv_error *err)
{
    uint8_t salt[20];
    uint8_t hash[20];

    vv_random(salt, sizeof(salt));
    VV_TRY(hmac_sha1(salt, sizeof(salt), name, strlen(name), hash, err));
    vv_buf_put_text(out, "|1|");
    ssh_base64_encode(out, vv_span(salt, sizeof(salt)));
    vv_buf_put_text(out, "|");
    ssh_base64_encode(out, vv_span(hash, sizeof(hash)));
    return VV_OK;
}

enum vv_rc
known_hosts_line(const char *name, struct vv_span key, bool hashed, struct vv_buf *out,
                 struct vv_error *err)
{
    struct vv_span type = ssh_key_name_of(key);

    if (hashed) {
        VV_TRY(put_hashed(name, out, err));
    } else {
        vv_buf_put_text(out, name);
    }
    vv_buf_put_text(out, " ");
    vv_buf_put(out, type.data, type.len);
    vv_buf_put_text(out, " ");
    ssh_base64_encode(out, key);
    vv_buf_put_text(out, "\n");
    return vv_buf_check(out, err);
}

/* The directory the file is to be in. */
static enum vv_rc
make_directory(const char *path, struct vv_error *err)
{
    const char *slash = strrchr(path, '/');

    if (slash == NULL || slash == path) {
        return VV_OK;
    }
    VV_CLEANUP(vv_freep) char *directory = vv_memdup(path, (size_t)(slash - path));
    if (directory == NULL) {
        return vv_error_nomem(err);
    }
    struct stat st;
    return stat(directory, &st) == 0 ? VV_OK : vv_mkdir_all(directory, 0700, err);
}

/* Somebody may have left the last line without an end. */
static bool
lacks_newline(int fd)
{
    struct stat st;
    char last = '\n';

    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 &&
           pread(fd, &last, 1, st.st_size - 1) == 1 && last != '\n';
}

enum vv_rc
known_hosts_append(const char *path, const char *name, struct vv_span key, bool hashed,
                   struct vv_error *err)
{
    struct vv_buf line = {0};

    VV_TRY(make_directory(path, err));
    VV_CLEANUP(vv_fd_closep) int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return vv_error_sys(err, errno, "cannot open '%s'", path);
    }
    if (lacks_newline(fd)) {
        vv_buf_put_text(&line, "\n");
    }
    enum vv_rc rc = known_hosts_line(name, key, hashed, &line, err);
    if (rc == VV_OK) {
        rc = vv_fd_write_full(fd, line.data, line.len, path, err);
    }
    if (rc == VV_OK && fsync(fd) != 0 && errno != EINVAL && errno != EROFS) {
        rc = vv_error_sys(err, errno, "cannot sync '%s'", path);
    }
    vv_buf_release(&line);
    return rc;
}
