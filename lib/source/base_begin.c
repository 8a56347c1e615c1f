/* SPDX-License-Identifier: BSD-2-Clause */
/* How a base backup begins: the server is told, and what is in none of its archives comes first. */
#include <stdio.h>
#include <string.h>

#include "source/base_source.h"

#define LABEL "varve"

/* Other tools look for a tablespace where its link points to from the data directory: one that is
 * relative, as a plain restore leaves it, they (and the server) pass over in silence. */
enum vv_rc
base_check_tablespaces(struct base_source *b, struct vv_error *err)
{
    for (unsigned i = 0; i < b->tablespace_count; i++) {
        const struct postgres_tablespace *t = &b->tablespaces[i];
        if (t->location[0] != '/') {
            (void)vv_error_set(
                err, VV_EREFUSED,
                "the link pg_tblspc/%u of the server at '%s' is relative: the server "
                "would leave that tablespace out",
                t->oid, postgres_name(b->server));
            vv_error_hint(err,
                          "stop the server, and in its data directory: ln -sfn \"$(realpath "
                          "pg_tblspc/%u)\" pg_tblspc/%u",
                          t->oid, t->oid);
            return vv_error_origin(err, VV_ORIGIN_SOURCE, VV_EREFUSED);
        }
        vv_buf_printf(&b->map, "%u %s\n", t->oid, t->location);
    }
    return vv_buf_check(&b->map, err);
}

enum vv_rc
base_reserve_wal(struct base_source *b, struct vv_error *err)
{
    struct base_wal_options wal = {.target = b->target,
                                   .temp_dir = b->temp_dir,
                                   .system = b->facts.system,
                                   .segment_size = b->facts.segment_size,
                                   .cancel = b->options.cancel};

    return base_wal_reserve(&wal, &b->wal, err);
}

enum vv_rc
base_begin(struct base_source *b, struct vv_error *err)
{
    struct postgres_base_options base = {
        .label = LABEL, .fast_checkpoint = true, .verify_checksums = true};
    struct postgres_base_start start;
    struct vv_progress *progress = b->options.progress;

    if (b->options.rate != 0) {
        uint64_t kib = b->options.rate / 1024;
        base.rate_kib = kib < 32 ? 32 : kib > 1048576 ? 1048576 : (uint32_t)kib;
    }
    VV_TRY(base_reserve_wal(b, err));
    VV_TRY(postgres_base_begin(b->server, &base, &start, err));
    b->facts.start = start.start;
    b->facts.timeline = start.timeline;
    b->pages.start = start.start;
    b->tablespaces = start.tablespaces;
    b->tablespace_count = start.tablespace_count;
    VV_TRY(base_check_tablespaces(b, err));
    if (progress != NULL && atomic_load(&progress->bytes_total) < start.size) {
        atomic_store(&progress->bytes_total, start.size);
    }
    VV_TRY(base_wal_start(b->wal, start.start, start.timeline, err));
    b->phase = BASE_TAR;
    return VV_OK;
}

enum vv_rc
base_queue_roots(struct base_source *b, struct vv_error *err)
{
    b->uid = b->member.uid;
    b->gid = b->member.gid;
    b->roots_given = true;
    VV_TRY(base_queue_directory(b, "data", NULL, err));
    if (b->tablespace_count > 0) {
        VV_TRY(base_queue_directory(b, "tablespaces", NULL, err));
        VV_TRY(base_queue_file(b, "tablespace_map", NULL, vv_buf_span(&b->map), err));
    }
    for (unsigned i = 0; i < b->tablespace_count; i++) {
        char oid[16];
        char target[48];
        (void)snprintf(oid, sizeof(oid), "%u", b->tablespaces[i].oid);
        (void)snprintf(target, sizeof(target), "../../tablespaces/%s", oid);
        VV_TRY(base_queue_directory(b, "tablespaces", oid, err));
        VV_TRY(base_queue_link(b, "data/pg_tblspc", oid, target, err));
    }
    return VV_OK;
}
