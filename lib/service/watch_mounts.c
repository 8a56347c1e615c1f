/* SPDX-License-Identifier: BSD-2-Clause */
/* Which mounts the watched paths are on, and which are below them: /proc/self/mountinfo. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/alloc.h"
#include "core/file.h"
#include "format/common.h"
#include "service/watch_internal.h"

#define MOUNTINFO_MOST ((size_t)64 << 20)

void
watch_mounts_release(struct watch_mounts *m)
{
    for (size_t i = 0; i < m->count; i++) {
        vv_free(m->items[i].point);
    }
    vv_free(m->items);
    *m = (struct watch_mounts){0};
}

/** The mount that a path is on, or as much of it as there is. */
static uint64_t
mount_of(struct vv_span root)
{
    char *path = vv_alloc(root.len + 2);
    struct statx st = {0};

    if (path == NULL) {
        return 0;
    }
    path[0] = '/';
    if (root.len > 0) {
        memcpy(path + 1, root.data, root.len);
    }
    path[root.len + 1] = '\0';
    while (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_MNT_ID, &st) != 0 &&
           path[1] != '\0') {
        char *slash = strrchr(path, '/');
        slash[slash == path ? 1 : 0] = '\0';
    }
    vv_free(path);
    return (st.stx_mask & STATX_MNT_ID) != 0 ? st.stx_mnt_id : 0;
}

/** Octal escapes: blanks and the like in a mount point. */
static void
unescape(char *text)
{
    char *out = text;

    for (; *text != '\0'; text++) {
        if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3' && text[2] >= '0' &&
            text[2] <= '7' && text[3] >= '0' && text[3] <= '7') {
            *out++ = (char)((text[1] - '0') * 64 + (text[2] - '0') * 8 + (text[3] - '0'));
            text += 3;
        } else {
            *out++ = *text;
        }
    }
    *out = '\0';
}

/** Is a mount at that point of interest? */
static bool
is_wanted(const struct watch *w, const uint64_t *holding, uint64_t id, const char *point)
{
    struct vv_span path = vv_span(point + 1, strlen(point) - 1);

    for (size_t i = 0; i < w->options.root_count; i++) {
        if (holding[i] == id ||
            (!w->options.one_file_system && path_is_below(path, w->roots[i].path))) {
            return true;
        }
    }
    return false;
}

/** One line: "id parent major:minor root point ..." */
static enum vv_rc
take_line(const struct watch *w, const uint64_t *holding, char *line, struct watch_mounts *m,
          struct vv_error *err)
{
    uint64_t id = strtoull(line, NULL, 10);
    char *field = line;
    struct watch_mount *grown;

    for (unsigned i = 0; i < 4 && field != NULL; i++) {
        field = strchr(field, ' ');
        field = field != NULL ? field + 1 : NULL;
    }
    if (field == NULL || field[0] != '/') {
        return VV_OK;
    }
    field[strcspn(field, " ")] = '\0';
    unescape(field);
    if (!is_wanted(w, holding, id, field)) {
        return VV_OK;
    }
    grown = vv_realloc_array(m->items, m->count + 1, sizeof(*grown));
    if (grown == NULL) {
        return vv_error_nomem(err);
    }
    m->items = grown;
    grown[m->count] = (struct watch_mount){.id = id, .point = vv_strdup(field)};
    return grown[m->count++].point == NULL ? vv_error_nomem(err) : VV_OK;
}

enum vv_rc
watch_mounts_read(const struct watch *w, struct watch_mounts *ret, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf text = {0};
    uint64_t *holding = NULL;
    struct watch_mounts m = {0};
    enum vv_rc rc;

    VV_TRY(vv_file_read(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MOST, &text, err));
    (void)vv_buf_text(&text);
    VV_TRY(vv_buf_check(&text, err));
    holding = vv_alloc_array(w->options.root_count + 1, sizeof(*holding));
    if (holding == NULL) {
        return vv_error_nomem(err);
    }
    for (size_t i = 0; i < w->options.root_count; i++) {
        holding[i] = mount_of(w->roots[i].path);
    }
    rc = VV_OK;
    for (char *line = (char *)text.data; rc == VV_OK && line != NULL && *line != '\0';) {
        char *end = strchr(line, '\n');
        if (end != NULL) {
            *end = '\0';
        }
        rc = take_line(w, holding, line, &m, err);
        line = end != NULL ? end + 1 : NULL;
    }
    vv_free(holding);
    if (rc != VV_OK) {
        watch_mounts_release(&m);
        return rc;
    }
    *ret = m;
    return VV_OK;
}

/** A mount that is gone and another in its place have different ids. */
static bool
are_equal(const struct watch_mounts *a, const struct watch_mounts *b)
{
    if (a->count != b->count) {
        return false;
    }
    for (size_t i = 0; i < a->count; i++) {
        if (a->items[i].id != b->items[i].id || strcmp(a->items[i].point, b->items[i].point) != 0) {
            return false;
        }
    }
    return true;
}

bool
watch_mounts_changed(const struct watch *w)
{
    struct watch_mounts now = {0};
    bool changed = watch_mounts_read(w, &now, NULL) != VV_OK || !are_equal(&now, &w->mounts);

    watch_mounts_release(&now);
    return changed;
}
