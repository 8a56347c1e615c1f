/* SPDX-License-Identifier: BSD-2-Clause */
/* Choosing snapshots: what a person types, heads, and a backup's parent. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/clock.h"
#include "repo/snapshots_internal.h"

#define PREFIX_MIN 4u

void
head_text(const struct vv_uuid *client, uint64_t sequence, const struct vv_id *hash,
          char out[HEAD_TEXT])
{
    char id[VV_UUID_TEXT];
    char digest[65];

    vv_uuid_text(client, id);
    vv_hex(digest, hash->b, 32);
    (void)snprintf(out, HEAD_TEXT, "%.8s:%llu:%.16s", id, (unsigned long long)sequence, digest);
}

bool
head_matches(const char *text, const struct vv_uuid *client, uint64_t sequence,
             const struct vv_id *hash)
{
    char head[HEAD_TEXT];

    head_text(client, sequence, hash, head);
    return strcmp(head, text) == 0;
}

bool
head_valid(const char *text)
{
    size_t client = strspn(text, "0123456789abcdef");
    size_t sequence = text[client] == ':' ? strspn(text + client + 1, "0123456789") : 0;
    const char *digest = text + client + 1 + sequence;

    return client == 8 && sequence > 0 && *digest == ':' && strlen(digest) == 17 &&
           strspn(digest + 1, "0123456789abcdef") == 16;
}

static bool
contains_head(const struct snapshot *snapshots, size_t count, const char *text)
{
    for (size_t i = 0; i < count; i++) {
        const struct snapshot *s = &snapshots[i];
        if (head_matches(text, &s->client, s->sequence, &s->hash)) {
            return true;
        }
    }
    return false;
}

enum vv_rc
head_check(const struct snapshot_list *l, const char *text, struct vv_error *err)
{
    enum vv_rc rc;

    if (l->freshness == FRESHNESS_ROLLED_BACK) {
        return vv_error_set(err, VV_EFORGED, "records are missing from this repository");
    }
    if (contains_head(l->snapshots, l->count, text) ||
        contains_head(l->forgotten, l->forgotten_count, text)) {
        return VV_OK;
    }
    rc = vv_error_set(err, VV_EFORGED, "the expected head '%s' is not in this repository", text);
    vv_error_hint(err, "this copy is older than the backup that printed it, or was rolled back");
    return rc;
}

/** Put a snapshot into a list for a person. */
static void
mention(struct vv_buf *out, const struct snapshot *s)
{
    char id[VV_UUID_TEXT];
    char when[VV_TIME_TEXT];

    vv_uuid_text(&s->id, id);
    vv_time_format(s->time, when);
    vv_buf_printf(out, "%s%.8s of %s on %s", out->len > 0 ? "; " : "", id, when,
                  s->body.host != NULL ? s->body.host : "?");
}

static enum vv_rc
ambiguous(const struct snapshot *snapshots, size_t count, const char *what,
          bool (*wanted)(const struct snapshot *, const void *), const void *ctx,
          struct vv_error *err)
{
    struct vv_buf text = {0};
    size_t listed = 0;

    for (size_t i = count; i > 0 && listed < 6; i--) {
        if (wanted(&snapshots[i - 1], ctx)) {
            mention(&text, &snapshots[i - 1]);
            listed++;
        }
    }
    (void)vv_error_set(err, VV_EUSAGE, "%s", what);
    vv_error_hint(err, "there are: %s", vv_buf_text(&text));
    vv_buf_release(&text);
    return VV_EUSAGE;
}

static bool
has_prefix(const struct snapshot *s, const void *prefix)
{
    char id[VV_UUID_TEXT];

    vv_uuid_text(&s->id, id);
    return strncmp(id, prefix, strlen(prefix)) == 0;
}

/** What "latest" may mean: publications of WAL are no backups by themselves. */
static bool
is_backup(const struct snapshot *s, const void *ctx)
{
    (void)ctx;
    return s->body.mode != SNAPSHOT_WAL;
}

/** Is this how an id begins?  ${ret}: in lower case.  If not, ${or_else} goes on with what to give. */
static enum vv_rc
check_prefix(const char *text, const char *or_else, struct vv_buf *ret, struct vv_error *err)
{
    if (strlen(text) < PREFIX_MIN || strspn(text, "0123456789abcdefABCDEF") != strlen(text)) {
        (void)vv_error_set(err, VV_EUSAGE, "'%s' is no snapshot id", text);
        vv_error_hint(err, "give %u or more digits of an id%s", PREFIX_MIN, or_else);
        return VV_EUSAGE;
    }
    for (const char *c = text; *c != '\0'; c++) {
        vv_buf_put_u8(ret, (uint8_t)(*c >= 'A' && *c <= 'F' ? *c - 'A' + 'a' : *c));
    }
    (void)vv_buf_text(ret);
    return vv_buf_check(ret, err);
}

/** The only one of an array whose id begins so; NULL if there is none. */
static enum vv_rc
find_prefix(const struct snapshot *snapshots, size_t count, const char *prefix,
            const struct snapshot **ret, struct vv_error *err)
{
    const struct snapshot *found = NULL;

    for (size_t i = 0; i < count; i++) {
        if (!has_prefix(&snapshots[i], prefix)) {
            continue;
        }
        if (found != NULL) {
            return ambiguous(snapshots, count, "several snapshots begin with these digits",
                             has_prefix, prefix, err);
        }
        found = &snapshots[i];
    }
    *ret = found;
    return VV_OK;
}

static enum vv_rc
was_forgotten(const struct snapshot_list *l, const struct snapshot *s, struct vv_error *err)
{
    const struct forgotten *f = admin_forgotten(&l->admin, &s->id);
    char id[VV_UUID_TEXT];
    char when[VV_TIME_TEXT];
    enum vv_rc rc;

    vv_uuid_text(&s->id, id);
    vv_time_format(f != NULL ? f->time : 0, when);
    rc = vv_error_set(err, VV_ENOTFOUND, "snapshot %.8s was forgotten on %s", id, when);
    if (f != NULL && f->carried_out) {
        vv_error_hint(err,
                      "its grace is over and prune has begun to remove it; another copy of the "
                      "repository may have it still");
    } else {
        vv_error_hint(err, "'varve undelete %.8s' brings it back", id);
    }
    return rc;
}

static enum vv_rc
resolve_prefix(const struct snapshot_list *l, const char *text, const struct snapshot **ret,
               struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf prefix = {0};
    const struct snapshot *found = NULL;
    enum vv_rc rc;

    VV_TRY(check_prefix(text, ", 'latest', 'latest~1' or 'latest@HOST'", &prefix, err));
    VV_TRY(find_prefix(l->snapshots, l->count, vv_buf_text(&prefix), &found, err));
    if (found != NULL) {
        *ret = found;
        return VV_OK;
    }
    VV_TRY(find_prefix(l->forgotten, l->forgotten_count, vv_buf_text(&prefix), &found, err));
    if (found != NULL) {
        return was_forgotten(l, found, err);
    }
    rc = vv_error_set(err, VV_ENOTFOUND, "there is no snapshot '%s'", text);
    vv_error_hint(err, "'varve snapshots' lists them");
    return rc;
}

enum vv_rc
snapshot_resolve_forgotten(const struct snapshot_list *l, const char *text,
                           const struct snapshot **ret, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf prefix = {0};
    const struct snapshot *found = NULL;
    enum vv_rc rc;

    VV_TRY(check_prefix(text, "; 'varve snapshots --forgotten' lists them", &prefix, err));
    VV_TRY(find_prefix(l->forgotten, l->forgotten_count, vv_buf_text(&prefix), &found, err));
    if (found == NULL) {
        rc = vv_error_set(err, VV_ENOTFOUND, "there is no forgotten snapshot '%s'", text);
        vv_error_hint(err, "'varve snapshots --forgotten' lists them");
        return rc;
    }
    *ret = found;
    return VV_OK;
}

static bool
host_is(const struct snapshot *s, const char *host)
{
    return host != NULL && s->body.host != NULL && strcmp(s->body.host, host) == 0;
}

/** "latest" alone: this host's, if it has any; else the only host's; else nobody can tell. */
static enum vv_rc
choose_host(const struct snapshot_list *l, const char *host, const char **ret, struct vv_error *err)
{
    const char *first = host;
    bool any = false;
    bool differ = false;

    for (size_t i = 0; i < l->count; i++) {
        const struct snapshot *s = &l->snapshots[i];
        if (!is_backup(s, NULL)) {
            continue;
        }
        if (host_is(s, host)) {
            *ret = host;
            return VV_OK;
        }
        differ = differ || (any && !host_is(s, first));
        first = any ? first : s->body.host;
        any = true;
    }
    if (differ) {
        return ambiguous(l->snapshots, l->count,
                         "'latest' could be any of several hosts' snapshots, and none is of this "
                         "host: give 'latest@HOST' or an id",
                         is_backup, NULL, err);
    }
    *ret = first;
    return VV_OK;
}

enum vv_rc
snapshot_resolve(const struct snapshot_list *l, const char *text, const char *host,
                 const struct snapshot **ret, struct vv_error *err)
{
    const char *rest;
    const char *wanted = NULL;
    unsigned long back = 0;
    enum vv_rc rc;

    if (strncmp(text, "latest", 6) != 0) {
        return resolve_prefix(l, text, ret, err);
    }
    rest = text + 6;
    if (*rest == '~') {
        char *end = NULL;
        back = rest[1] >= '0' && rest[1] <= '9' ? strtoul(rest + 1, &end, 10) : 0;
        if (end == NULL) {
            return vv_error_set(err, VV_EUSAGE, "'%s': a number must follow '~'", text);
        }
        rest = end;
    }
    if (*rest == '@' && rest[1] != '\0') {
        wanted = rest + 1;
    } else if (*rest != '\0') {
        return vv_error_set(err, VV_EUSAGE, "'%s' is no snapshot", text);
    }
    if (wanted == NULL) {
        VV_TRY(choose_host(l, host, &wanted, err));
    }
    for (size_t i = l->count; i > 0; i--) {
        if (is_backup(&l->snapshots[i - 1], NULL) && host_is(&l->snapshots[i - 1], wanted) &&
            back-- == 0) {
            *ret = &l->snapshots[i - 1];
            return VV_OK;
        }
    }
    rc = vv_error_set(err, VV_ENOTFOUND, "there is no snapshot '%s'", text);
    vv_error_hint(err, "'varve snapshots' lists them");
    return rc;
}

const struct snapshot *
snapshot_parent(const struct snapshot_list *l, const struct vv_uuid *client,
                const struct vv_span *sources, size_t count)
{
    const struct snapshot *best = NULL;
    size_t best_common = 0;

    for (size_t i = l->count; i > 0; i--) { /* newest first, so that ties go to the newest */
        const struct snapshot *s = &l->snapshots[i - 1];
        size_t common = 0;
        if (!vv_uuid_equal(&s->client, client)) {
            continue;
        }
        for (uint32_t j = 0; j < s->body.source_count; j++) {
            for (size_t k = 0; k < count; k++) {
                common += s->body.sources[j].len == sources[k].len && sources[k].len > 0 &&
                          memcmp(s->body.sources[j].data, sources[k].data, sources[k].len) == 0;
            }
        }
        if (common > best_common) {
            best = s;
            best_common = common;
        }
    }
    return best;
}
