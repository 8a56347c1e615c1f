/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The file: "<boot id>\n", then a line "<name> <value> <monotonic ns>\n" for each thing watched.
 */
#include "repo/stillness.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/file.h"

#define BOOT_ID_FILE "/proc/sys/kernel/random/boot_id"
#define BOOT_ID_MAX 128u
#define FILE_MAX (16u << 20)
#define NAME_LEN_MAX 160u

struct watched {
    char name[NAME_LEN_MAX + 1];
    uint64_t value;
    uint64_t since; /* monotonic ns */
    bool asked;
};
struct stillness {
    struct repo *repo;
    struct vv_buf boot; /* this boot's id; empty: not known, nothing is carried */
    struct vv_buf file; /* its name */
    struct watched *items;
    size_t count;
};

void
stillness_free(struct stillness *s)
{
    if (s == NULL) {
        return;
    }
    vv_buf_release(&s->boot);
    vv_buf_release(&s->file);
    vv_free(s->items);
    vv_free(s);
}

static struct watched *
find(struct stillness *s, const char *name)
{
    for (size_t i = 0; i < s->count; i++) { /* open sessions are few */
        if (strcmp(s->items[i].name, name) == 0) {
            return &s->items[i];
        }
    }
    return NULL;
}

static enum vv_rc
add(struct stillness *s, const char *name, uint64_t value, uint64_t since, struct watched **ret,
    struct vv_error *err)
{
    struct watched *items = vv_realloc_array(s->items, s->count + 1, sizeof(*items));
    struct watched *w;

    if (items == NULL) {
        return vv_error_nomem(err);
    }
    s->items = items;
    w = &items[s->count++];
    memset(w, 0, sizeof(*w));
    memcpy(w->name, name, strlen(name));
    w->value = value;
    w->since = since;
    *ret = w;
    return VV_OK;
}

/** One line; false if it is none. */
static bool
parse_line(char *line, const char **ret_name, uint64_t *ret_value, uint64_t *ret_since)
{
    char *value = strchr(line, ' ');
    char *since = value != NULL ? strchr(value + 1, ' ') : NULL;
    char *end;

    if (since == NULL || (size_t)(value - line) > NAME_LEN_MAX || value == line) {
        return false;
    }
    *value++ = '\0';
    *since++ = '\0';
    *ret_name = line;
    *ret_value = strtoull(value, &end, 10);
    if (*end != '\0' || end == value) {
        return false;
    }
    *ret_since = strtoull(since, &end, 10);
    return *end == '\0' && end != since;
}

/** Take over what an earlier run of this boot has noted. */
static enum vv_rc
take_over(struct stillness *s, char *text, struct vv_error *err)
{
    const struct vv_clock *clock = repo_clock(s->repo);
    uint64_t now = clock->monotonic(clock);
    char *line = text;
    char *end = strchr(line, '\n');

    if (end == NULL || s->boot.len == 0 || (size_t)(end - line) != s->boot.len ||
        memcmp(line, s->boot.data, s->boot.len) != 0) {
        return VV_OK;
    }
    for (line = end + 1; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        struct watched *w;
        const char *name;
        uint64_t value;
        uint64_t since;
        *end = '\0';
        if (parse_line(line, &name, &value, &since) && since <= now && find(s, name) == NULL) {
            VV_TRY(add(s, name, value, since, &w, err));
        }
    }
    return VV_OK;
}

static enum vv_rc
read_boot_id(struct stillness *s, struct vv_error *err)
{
    enum vv_rc rc = vv_file_read(AT_FDCWD, BOOT_ID_FILE, BOOT_ID_MAX, &s->boot, err);

    if (rc != VV_OK && rc != VV_ENOMEM) {
        vv_error_clear(err);
        vv_buf_reset(&s->boot);
        return VV_OK;
    }
    while (rc == VV_OK && s->boot.len > 0 && s->boot.data[s->boot.len - 1] == '\n') {
        s->boot.len--;
    }
    return rc;
}

enum vv_rc
stillness_open(struct repo *r, struct stillness **ret, struct vv_error *err)
{
    VV_CLEANUP(stillness_freep) struct stillness *s = vv_alloc_array(1, sizeof(*s));
    VV_CLEANUP(vv_buf_release) struct vv_buf text = {0};
    char site[VV_UUID_TEXT];
    const char *path;
    enum vv_rc rc;

    if (s == NULL) {
        return vv_error_nomem(err);
    }
    s->repo = r;
    vv_uuid_text(&repo_site(r)->id, site);
    vv_buf_printf(&s->file, "stillness-%s", site);
    (void)vv_buf_text(&s->file);
    VV_TRY(vv_buf_check(&s->file, err));
    VV_TRY(read_boot_id(s, err));
    if (repo_state(r) != NULL) {
        rc = vv_file_read(local_state_directory(repo_state(r), &path), vv_buf_text(&s->file),
                          FILE_MAX, &text, err);
        if (rc == VV_OK) {
            vv_buf_put(&text, "", 1);
            VV_TRY(vv_buf_check(&text, err));
            VV_TRY(take_over(s, (char *)text.data, err));
        } else if (rc == VV_ENOMEM) {
            return rc;
        }
        vv_error_clear(err);
    }
    *ret = TAKE(s);
    return VV_OK;
}

enum vv_rc
stillness_of(struct stillness *s, const char *name, uint64_t value, uint64_t *ret,
             struct vv_error *err)
{
    const struct vv_clock *clock = repo_clock(s->repo);
    uint64_t now = clock->monotonic(clock);
    struct watched *w = find(s, name);

    if (strlen(name) > NAME_LEN_MAX || strchr(name, ' ') != NULL || strchr(name, '\n') != NULL) {
        *ret = 0; /* a name nobody could have given: never still */
        return VV_OK;
    }
    if (w == NULL) {
        VV_TRY(add(s, name, value, now, &w, err));
    } else if (w->value != value) {
        w->value = value;
        w->since = now;
    }
    w->asked = true;
    *ret = now - w->since;
    return VV_OK;
}

enum vv_rc
stillness_store(struct stillness *s, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf text = {0};
    const char *path;

    if (repo_state(s->repo) == NULL || s->boot.len == 0) {
        return VV_OK;
    }
    vv_buf_put(&text, s->boot.data, s->boot.len);
    vv_buf_put(&text, "\n", 1);
    for (size_t i = 0; i < s->count; i++) {
        const struct watched *w = &s->items[i];
        if (w->asked) {
            vv_buf_printf(&text, "%s %llu %llu\n", w->name, (unsigned long long)w->value,
                          (unsigned long long)w->since);
        }
    }
    VV_TRY(vv_buf_check(&text, err));
    return vv_error_origin(err, VV_ORIGIN_LOCAL,
                           vv_file_replace(local_state_directory(repo_state(s->repo), &path),
                                           vv_buf_text(&s->file), vv_buf_span(&text), 0600, err));
}
