/* SPDX-License-Identifier: BSD-2-Clause */
/* Calls of one request: open, close, names, attributes. */
#include <string.h>

#include "core/alloc.h"
#include "ssh/sftp_client_internal.h"

/* Send one request, decode its answer; VV_OK if that is what was wanted.  ${what} and ${path} are
 * for the message. */
static enum vv_rc
ask(struct sftp_client *c, struct sftp_item *item, const char *what, const char *path,
    struct sftp_answer *ret, struct vv_error *err)
{
    memset(ret, 0, sizeof(*ret));
    VV_TRY(sftp_items(c, item, 1, err));
    if (item->status != SFTP_OK) {
        return sftp_refused(item->status, item->words, err, "cannot %s '%s'", what, path);
    }
    if (!sftp_answer_decode(vv_buf_span(&item->answer), ret)) {
        return sftp_not_sftp(c, err, "an answer that does not parse"); /* it did before */
    }
    return VV_OK;
}

/* A request whose only answer is a status. */
static enum vv_rc
ask_status(struct sftp_client *c, struct sftp_item *item, const char *what, const char *path,
           struct vv_error *err)
{
    struct sftp_answer answer;

    VV_TRY(ask(c, item, what, path, &answer, err));
    if (answer.type != SFTP_PACKET_STATUS) {
        return sftp_not_sftp(c, err, "a reply where a status belongs");
    }
    return VV_OK;
}

static enum vv_rc
needs(const struct sftp_client *c, uint32_t extension, const char *name, struct vv_error *err)
{
    if ((c->extensions & extension) == 0) {
        return vv_error_set(err, VV_EUNSUPPORTED, "%s: the server does not offer %s",
                            c->stream->name, name);
    }
    return VV_OK;
}

/* ---- files ---- */

enum vv_rc
sftp_open(struct sftp_client *c, const char *path, uint32_t flags, uint32_t mode,
          struct sftp_handle *ret, struct vv_error *err)
{
    VV_CLEANUP(sftp_item_release) struct sftp_item item = {.type = SFTP_PACKET_OPEN};
    struct sftp_answer answer;

    VV_TRY(sftp_check_path(path, err));
    sftp_put_open(&item.body, path, flags, mode);
    VV_TRY(ask(c, &item, (flags & SFTP_OPEN_CREATE) != 0 ? "create" : "open", path, &answer, err));
    *ret = answer.handle;
    return VV_OK;
}

enum vv_rc
sftp_close(struct sftp_client *c, const struct sftp_handle *h, struct vv_error *err)
{
    VV_CLEANUP(sftp_item_release) struct sftp_item item = {.type = SFTP_PACKET_CLOSE};

    sftp_put_handle(&item.body, h);
    return ask_status(c, &item, "close a file on", c->stream->name, err);
}

enum vv_rc
sftp_fsync(struct sftp_client *c, const struct sftp_handle *h, struct vv_error *err)
{
    VV_CLEANUP(sftp_item_release) struct sftp_item item = {.type = SFTP_PACKET_EXTENDED};

    VV_TRY(needs(c, SFTP_FSYNC, "fsync@openssh.com", err));
    sftp_put_extended(&item.body, "fsync@openssh.com");
    sftp_put_handle(&item.body, h);
    return ask_status(c, &item, "fsync a file on", c->stream->name, err);
}

enum vv_rc
sftp_fsync_and_remove(struct sftp_client *c, const struct sftp_handle *h, const char *path,
                      struct vv_error *err)
{
    struct sftp_item items[] = {{.type = SFTP_PACKET_EXTENDED}, {.type = SFTP_PACKET_REMOVE}};

    VV_TRY(needs(c, SFTP_FSYNC, "fsync@openssh.com", err));
    VV_TRY(sftp_check_path(path, err));
    sftp_put_extended(&items[0].body, "fsync@openssh.com");
    sftp_put_handle(&items[0].body, h);
    sftp_put_text(&items[1].body, path);
    enum vv_rc rc = sftp_items(c, items, VV_COUNT(items), err);
    if (rc == VV_OK && items[0].status != SFTP_OK) {
        rc = sftp_refused(items[0].status, items[0].words, err, "cannot fsync a file on '%s'",
                          c->stream->name);
    }
    sftp_item_release(&items[0]);
    sftp_item_release(&items[1]);
    return rc;
}

/* ---- attributes ---- */

static enum vv_rc
attributes(struct sftp_client *c, uint8_t type, const char *path, struct sftp_attributes *ret,
           struct vv_error *err)
{
    VV_CLEANUP(sftp_item_release) struct sftp_item item = {.type = type};
    struct sftp_answer answer;

    VV_TRY(sftp_check_path(path, err));
    sftp_put_text(&item.body, path);
    VV_TRY(ask(c, &item, "inspect", path, &answer, err));
    *ret = answer.attributes;
    return VV_OK;
}

enum vv_rc
sftp_stat(struct sftp_client *c, const char *path, struct sftp_attributes *ret,
          struct vv_error *err)
{
    return attributes(c, SFTP_PACKET_STAT, path, ret, err);
}

enum vv_rc
sftp_lstat(struct sftp_client *c, const char *path, struct sftp_attributes *ret,
           struct vv_error *err)
{
    return attributes(c, SFTP_PACKET_LSTAT, path, ret, err);
}

enum vv_rc
sftp_fstat(struct sftp_client *c, const struct sftp_handle *h, struct sftp_attributes *ret,
           struct vv_error *err)
{
    VV_CLEANUP(sftp_item_release) struct sftp_item item = {.type = SFTP_PACKET_FSTAT};
    struct sftp_answer answer;

    sftp_put_handle(&item.body, h);
    VV_TRY(ask(c, &item, "inspect an open file on", c->stream->name, &answer, err));
    *ret = answer.attributes;
    return VV_OK;
}

/* ---- names ---- */

enum vv_rc
sftp_mkdir(struct sftp_client *c, const char *path, uint32_t mode, struct vv_error *err)
{
    return sftp_mkdir_many(c, &path, 1, mode, err);
}

enum vv_rc
sftp_mkdir_many(struct sftp_client *c, const char *const *paths, size_t count, uint32_t mode,
                struct vv_error *err)
{
    struct sftp_item *items = NULL;
    enum vv_rc rc = VV_OK;

    for (size_t i = 0; i < count; i++) {
        VV_TRY(sftp_check_path(paths[i], err));
    }
    if (count == 0) {
        return VV_OK;
    }
    items = vv_alloc_array(count, sizeof(*items));
    if (items == NULL) {
        return vv_error_nomem(err);
    }
    for (size_t i = 0; i < count; i++) {
        items[i].type = SFTP_PACKET_MKDIR;
        sftp_put_mkdir(&items[i].body, paths[i], mode);
    }
    rc = sftp_items(c, items, count, err);
    for (size_t i = 0; i < count; i++) {
        if (rc == VV_OK && items[i].status != SFTP_OK) {
            rc = sftp_refused(items[i].status, items[i].words, err, "cannot create directory '%s'",
                              paths[i]);
        }
        sftp_item_release(&items[i]);
    }
    vv_free(items);
    return rc;
}

enum vv_rc
sftp_remove(struct sftp_client *c, const char *path, struct vv_error *err)
{
    VV_CLEANUP(sftp_item_release) struct sftp_item item = {.type = SFTP_PACKET_REMOVE};

    VV_TRY(sftp_check_path(path, err));
    sftp_put_text(&item.body, path);
    return ask_status(c, &item, "remove", path, err);
}

enum vv_rc
sftp_hardlink(struct sftp_client *c, const char *from, const char *to, struct vv_error *err)
{
    VV_CLEANUP(sftp_item_release) struct sftp_item item = {.type = SFTP_PACKET_EXTENDED};

    VV_TRY(needs(c, SFTP_HARDLINK, "hardlink@openssh.com", err));
    VV_TRY(sftp_check_path(from, err));
    VV_TRY(sftp_check_path(to, err));
    sftp_put_extended(&item.body, "hardlink@openssh.com");
    sftp_put_two_paths(&item.body, from, to);
    return ask_status(c, &item, "link to", to, err);
}

enum vv_rc
sftp_rename(struct sftp_client *c, const char *from, const char *to, struct vv_error *err)
{
    VV_CLEANUP(sftp_item_release) struct sftp_item item = {.type = SFTP_PACKET_RENAME};

    VV_TRY(sftp_check_path(from, err));
    VV_TRY(sftp_check_path(to, err));
    sftp_put_two_paths(&item.body, from, to);
    return ask_status(c, &item, "rename to", to, err);
}

enum vv_rc
sftp_real_path(struct sftp_client *c, const char *path, struct vv_buf *out, struct vv_error *err)
{
    VV_CLEANUP(sftp_item_release) struct sftp_item item = {.type = SFTP_PACKET_REALPATH};
    struct sftp_answer answer;
    struct sftp_attributes a;
    struct vv_span name;

    VV_TRY(sftp_check_path(path, err));
    sftp_put_text(&item.body, path);
    VV_TRY(ask(c, &item, "resolve", path, &answer, err));
    if (answer.names.left != 1 || !sftp_names_next(&answer.names, &name, &a)) {
        return sftp_not_sftp(c, err, "%u names where one belongs", answer.names.left);
    }
    VV_TRY(vv_buf_reserve(out, name.len, err));
    vv_buf_put(out, name.data, name.len);
    return VV_OK;
}

enum vv_rc
sftp_statvfs(struct sftp_client *c, const char *path, uint64_t *ret_free, uint64_t *ret_total,
             struct vv_error *err)
{
    VV_CLEANUP(sftp_item_release) struct sftp_item item = {.type = SFTP_PACKET_EXTENDED};
    struct sftp_answer answer;

    VV_TRY(needs(c, SFTP_STATVFS, "statvfs@openssh.com", err));
    VV_TRY(sftp_check_path(path, err));
    sftp_put_extended(&item.body, "statvfs@openssh.com");
    sftp_put_text(&item.body, path);
    VV_TRY(ask(c, &item, "ask for the space of", path, &answer, err));
    if (answer.type != SFTP_PACKET_EXTENDED_REPLY ||
        !sftp_statvfs_decode(answer.data, ret_free, ret_total)) {
        return sftp_not_sftp(c, err, "the space of a file system does not parse");
    }
    return VV_OK;
}

enum vv_rc
sftp_request_raw(struct sftp_client *c, uint8_t type, struct vv_span payload, struct vv_buf *out,
                 struct vv_error *err)
{
    VV_CLEANUP(sftp_item_release)
    struct sftp_item item = {.type = type, .any_answer = true, .payload = payload};

    if (payload.len > SFTP_PACKET_LIMIT - 5) {
        return vv_error_set(err, VV_ELIMIT, "a request of %zu bytes", payload.len);
    }
    VV_TRY(sftp_items(c, &item, 1, err));
    VV_TRY(vv_buf_reserve(out, item.answer.len, err));
    vv_buf_put(out, item.answer.data, item.answer.len);
    return VV_OK;
}
