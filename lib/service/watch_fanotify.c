/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Changes by fanotify(7): one mark for a whole file system, whatever the number of directories.  An event
 * names its directory by a file handle, which is asked for its path as of now: a directory that was moved
 * meanwhile is reported by its move (N3), one that is gone by the directory it was in.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/fast_hash.h"
#include "core/file.h"
#include "format/common.h"
#include "service/watch_internal.h"
#include "source/source.h"

#define EVENTS                                                                                     \
    (FAN_MODIFY | FAN_CLOSE_WRITE | FAN_ATTRIB | FAN_CREATE | FAN_DELETE | FAN_MOVED_FROM |        \
     FAN_MOVED_TO | FAN_ONDIR)
#define BUFFER ((size_t)256 << 10)
#define HANDLE_MOST 128u
#define KNOWN_COUNT 2048u /* directories of late */
#define READS_MOST 64u    /* buffers in a row, before paths and mounts are looked at again */

/** A file system with a mark, and a mount of it that paths are looked up in.  It is open only while events
 *  are read: nobody could unmount it else. */
struct marked {
    uint8_t fsid[8];
    const char *point; /* in w->mounts */
    int fd;
};
/** A directory that was judged: of no interest, as long as no directory is moved; or noted, until the set may
 *  have been taken. */
struct known_directory {
    uint64_t round;
    uint64_t moves;
    bool outside;
    uint8_t key[8 + sizeof(struct file_handle) + HANDLE_MOST];
    size_t key_len;
};
/** A file handle with room for its bytes. */
struct handle_room {
    _Alignas(struct file_handle) uint8_t bytes[sizeof(struct file_handle) + HANDLE_MOST];
};
struct watch_fanotify {
    int fd;
    struct marked *marked;
    size_t count;
    struct known_directory *known;
    uint64_t round; /* readings */
    uint64_t moves; /* of directories, as far as they were told */
    uint8_t *buffer;
    char *path;
};

static void
close_mounts(struct watch_fanotify *f)
{
    for (size_t i = 0; i < f->count; i++) {
        vv_fd_close(f->marked[i].fd);
        f->marked[i].fd = -1;
    }
}

/** One that is not there any more is reported by itself (N2).  False: it is not known what there is. */
static bool
open_mounts(struct watch_fanotify *f)
{
    bool well = true;

    for (size_t i = 0; i < f->count; i++) {
        int fd = open(f->marked[i].point, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        well = well && (fd >= 0 || errno == ENOENT || errno == ENOTDIR);
        f->marked[i].fd = fd;
    }
    return well;
}

void
watch_fanotify_close(struct watch_fanotify *f)
{
    if (f == NULL) {
        return;
    }
    close_mounts(f);
    vv_fd_close(f->fd);
    vv_free(f->marked);
    vv_free(f->known);
    vv_free(f->buffer);
    vv_free(f->path);
    vv_free(f);
}

int
watch_fanotify_fd(const struct watch_fanotify *f)
{
    return f == NULL ? -1 : f->fd;
}

/* ---- marks ---- */

static enum vv_rc
refused(int sys, const char *point, struct vv_error *err)
{
    (void)vv_error_sys(err, sys, "fanotify cannot watch the file system at '%s'", point);
    return VV_EUNSUPPORTED;
}

/** Can paths be had from handles here?  (Not without a right that is not the one for marks.) */
static enum vv_rc
try_handle(const struct marked *m, const char *point, struct vv_error *err)
{
    struct handle_room room = {{0}};
    struct file_handle *handle = (void *)room.bytes;
    int mount;
    int fd;

    handle->handle_bytes = HANDLE_MOST;
    if (name_to_handle_at(m->fd, "", handle, &mount, AT_EMPTY_PATH) != 0) {
        return refused(errno, point, err);
    }
    fd = open_by_handle_at(m->fd, handle, O_PATH | O_CLOEXEC);
    if (fd < 0) {
        return refused(errno, point, err);
    }
    vv_fd_close(fd);
    return VV_OK;
}

static enum vv_rc
add_mark(struct watch_fanotify *f, const char *point, struct vv_error *err)
{
    struct marked *m = &f->marked[f->count];
    struct statfs st;

    m->point = point;
    m->fd = open(point, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (m->fd < 0) { /* a file that is bound over another */
        return refused(errno, point, err);
    }
    f->count++;
    if (fstatfs(m->fd, &st) != 0) {
        return refused(errno, point, err);
    }
    if (source_fs_pseudo((uint64_t)st.f_type & UINT32_MAX)) {
        f->count--;
        vv_fd_close(m->fd);
        return VV_OK;
    }
    memcpy(m->fsid, &st.f_fsid, sizeof(m->fsid));
    if (fanotify_mark(f->fd, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, EVENTS, m->fd, NULL) != 0) {
        return refused(errno, point, err);
    }
    return try_handle(m, point, err);
}

static enum vv_rc
make(struct watch *w, struct watch_fanotify *f, struct vv_error *err)
{
    f->marked = vv_alloc_array(w->mounts.count + 1, sizeof(*f->marked));
    f->known = vv_alloc_array(KNOWN_COUNT, sizeof(*f->known));
    f->buffer = vv_alloc(BUFFER);
    f->path = vv_alloc(LIMIT_PATH + 2);
    if (f->marked == NULL || f->known == NULL || f->buffer == NULL || f->path == NULL) {
        return vv_error_nomem(err);
    }
    f->fd = fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK | FAN_REPORT_DFID_NAME,
                          O_RDONLY | O_CLOEXEC);
    if (f->fd < 0) {
        (void)vv_error_sys(err, errno, "fanotify cannot be used");
        return VV_EUNSUPPORTED;
    }
    for (size_t i = 0; i < w->mounts.count; i++) {
        VV_TRY(add_mark(f, w->mounts.items[i].point, err));
    }
    close_mounts(f);
    return VV_OK;
}

enum vv_rc
watch_fanotify_open(struct watch *w, struct watch_fanotify **ret, struct vv_error *err)
{
    struct watch_fanotify *f = vv_alloc_array(1, sizeof(*f));
    enum vv_rc rc;

    if (f == NULL) {
        return vv_error_nomem(err);
    }
    f->fd = -1;
    f->round = 1;
    rc = make(w, f, err);
    if (rc != VV_OK) {
        watch_fanotify_close(f);
        return rc;
    }
    *ret = f;
    return VV_OK;
}

/* ---- events ---- */

/** The path of a directory, as seen in one mount of its file system; false: gone, or not there.  *ret_lost: it
 *  could not be found out. */
static bool
find_path(struct watch_fanotify *f, const struct marked *m, struct file_handle *handle,
          struct vv_span *ret, bool *ret_lost)
{
    VV_CLEANUP(vv_fd_closep) int fd = -1;
    char link[64];
    struct stat st;
    ssize_t len;

    if (m->fd < 0) {
        return false;
    }
    fd = open_by_handle_at(m->fd, handle, O_PATH | O_CLOEXEC);
    if (fd < 0) {
        *ret_lost = *ret_lost || (errno != ESTALE && errno != ENOENT);
        return false;
    }
    if (fstat(fd, &st) != 0 || st.st_nlink == 0) {
        return false;
    }
    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    len = readlink(link, f->path, LIMIT_PATH + 1);
    if (len <= 0 || f->path[0] != '/') { /* "(unreachable)": not below this mount */
        *ret_lost = *ret_lost || len <= 0;
        return false;
    }
    *ret = vv_span(f->path + 1, (size_t)len - 1);
    return true;
}

/** Do events of one name in a directory say nothing about those of another: is one of the paths there? */
static bool
holds_a_root(const struct watch *w, struct vv_span directory)
{
    for (size_t i = 0; i < w->options.root_count; i++) {
        struct vv_span root = w->roots[i].path;
        const uint8_t *slash = root.len > 0 ? memrchr(root.data, '/', root.len) : NULL;
        size_t len = slash == NULL ? 0 : (size_t)(slash - root.data);
        if (path_compare(vv_span(root.data, len), directory) == 0) {
            return true;
        }
    }
    return false;
}

/** What an event says: which directory, which name in it. */
struct event_name {
    struct file_handle *handle;
    struct vv_span key; /* file system and handle */
    struct vv_span name;
    bool itself; /* the directory itself, by the name "." */
    bool is_new;
};

enum verdict { VERDICT_OUTSIDE, VERDICT_NOTED, VERDICT_BY_NAME };

/** Note it; what about others in this directory? */
static enum verdict
judge(struct watch *w, struct watch_fanotify *f, const struct event_name *e)
{
    bool by_name = false;
    bool inside = false;
    bool lost = false;

    for (size_t i = 0; i < f->count; i++) {
        struct vv_span directory;
        if (memcmp(f->marked[i].fsid, e->key.data, 8) != 0 ||
            !find_path(f, &f->marked[i], e->handle, &directory, &lost)) {
            continue;
        }
        by_name = by_name || holds_a_root(w, directory);
        inside = inside || (watch_is_inside(w, directory) && !watch_is_own(w, directory));
        if (!e->itself) {
            (void)watch_note(w, directory, e->name, e->is_new);
        } else if (!watch_is_own(w, directory) && directory.len > 0) {
            const uint8_t *slash = memrchr(directory.data, '/', directory.len);
            size_t parent = slash == NULL ? 0 : (size_t)(slash - directory.data);
            size_t start = slash == NULL ? 0 : parent + 1;
            (void)watch_note(w, vv_span(directory.data, parent),
                             vv_span(directory.data + start, directory.len - start), false);
        } else if (directory.len == 0 && watch_is_inside(w, directory)) {
            (void)watch_note(w, directory, vv_span("", 0), false);
        }
    }
    if (lost) {
        watch_note_everything(w);
    }
    if (by_name || lost) {
        return VERDICT_BY_NAME;
    }
    return inside ? VERDICT_NOTED : VERDICT_OUTSIDE;
}

/** One event's directory and name. */
static void
take_name(struct watch *w, struct watch_fanotify *f, const uint8_t *info, size_t len, uint64_t mask)
{
    const size_t head = sizeof(struct fanotify_event_info_fid);
    struct handle_room room = {{0}};
    struct file_handle *handle = (void *)room.bytes;
    struct known_directory *known;
    struct event_name e = {.handle = handle};
    enum verdict verdict;
    size_t handle_len;

    if (len < head + sizeof(*handle)) {
        watch_note_everything(w);
        return;
    }
    memcpy(handle, info + head, sizeof(*handle));
    handle_len = sizeof(*handle) + handle->handle_bytes;
    if (handle->handle_bytes > HANDLE_MOST || len < head + handle_len) {
        watch_note_everything(w);
        return;
    }
    memcpy(room.bytes, info + head, handle_len);
    e.key = vv_span(info + offsetof(struct fanotify_event_info_fid, fsid), len - head + 8);
    e.key.len = 8 + handle_len;
    e.name = vv_span(info + head + handle_len, len - head - handle_len);
    e.name.len = strnlen((const char *)e.name.data, e.name.len);
    e.itself = e.name.len == 0 || (e.name.len == 1 && e.name.data[0] == '.');
    e.is_new = (mask & FAN_ONDIR) != 0 && (mask & (FAN_CREATE | FAN_MOVED_TO)) != 0;
    known = &f->known[vv_hash64(e.key.data, e.key.len, 0) % KNOWN_COUNT];
    if (!e.itself && known->key_len == e.key.len && known->moves == f->moves &&
        (known->outside || (known->round == f->round && !e.is_new)) &&
        memcmp(known->key, e.key.data, e.key.len) == 0) {
        return;
    }
    verdict = judge(w, f, &e);
    if (verdict != VERDICT_BY_NAME && !e.itself) {
        known->round = f->round;
        known->moves = f->moves;
        known->outside = verdict == VERDICT_OUTSIDE;
        known->key_len = e.key.len;
        memcpy(known->key, e.key.data, e.key.len);
    }
}

static void
take_event(struct watch *w, struct watch_fanotify *f, const struct fanotify_event_metadata *e,
           const uint8_t *bytes, bool *ret_again)
{
    size_t at = e->metadata_len;

    if (e->vers != FANOTIFY_METADATA_VERSION) {
        *ret_again = true;
        return;
    }
    if ((e->mask & FAN_Q_OVERFLOW) != 0) {
        f->moves++; /* there may have been some */
        watch_note_everything(w);
        return;
    }
    if ((e->mask & FAN_ONDIR) != 0 && (e->mask & (FAN_MOVED_FROM | FAN_MOVED_TO)) != 0) {
        f->moves++; /* paths of what is below are other ones now */
    }
    while (at + sizeof(struct fanotify_event_info_header) <= e->event_len) {
        struct fanotify_event_info_header head;
        memcpy(&head, bytes + at, sizeof(head));
        if (head.len < sizeof(head) || head.len > e->event_len - at) {
            watch_note_everything(w);
            return;
        }
        if (head.info_type == FAN_EVENT_INFO_TYPE_DFID_NAME ||
            head.info_type == FAN_EVENT_INFO_TYPE_DFID) {
            take_name(w, f, bytes + at, head.len, e->mask);
        }
        at += head.len;
    }
}

static void
read_events(struct watch *w, struct watch_fanotify *f, bool *ret_again)
{
    for (unsigned i = 0; i < READS_MOST; i++) {
        ssize_t n = read(f->fd, f->buffer, BUFFER);
        size_t at = 0;
        if (n <= 0) {
            if (n < 0 && errno != EAGAIN && errno != EINTR) {
                *ret_again = true;
            }
            return;
        }
        f->round++; /* the set may have been taken meanwhile */
        while ((size_t)n - at >= sizeof(struct fanotify_event_metadata)) {
            struct fanotify_event_metadata head;
            memcpy(&head, f->buffer + at, sizeof(head));
            if (head.event_len < sizeof(head) || head.event_len > (size_t)n - at) {
                *ret_again = true;
                return;
            }
            take_event(w, f, &head, f->buffer + at, ret_again);
            at += head.event_len;
        }
    }
}

void
watch_fanotify_read(struct watch *w, struct watch_fanotify *f, bool *ret_again)
{
    const uint64_t moves = f->moves;

    if (open_mounts(f)) {
        read_events(w, f, ret_again);
    } else {
        *ret_again = true;
    }
    close_mounts(f);
    if (f->moves != moves && w->mounts.count > 1 && watch_mounts_changed(w)) {
        /* A mount point went with a directory above, of which mountinfo tells nobody. */
        *ret_again = true;
    }
}
