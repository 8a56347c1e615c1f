/* SPDX-License-Identifier: BSD-2-Clause */
/* A build without libpq: every function is there, and says so. */
#include <stddef.h>

#include "postgres/postgres.h"

/* NOLINTBEGIN(readability-non-const-parameter): the signatures are those of the build with libpq. */

bool
postgres_available(void)
{
    return false;
}

static enum vv_rc
left_out(struct vv_error *err)
{
    (void)vv_error_set(err, VV_EUNSUPPORTED, "this build of varve has no PostgreSQL");
    vv_error_hint(err, "it was built without libpq: install libpq-dev, and build it again");
    return vv_error_origin(err, VV_ORIGIN_SOURCE, VV_EUNSUPPORTED);
}

enum vv_rc
postgres_target_check(const char *target, struct vv_error *err)
{
    (void)target;
    return left_out(err);
}

enum vv_rc
postgres_target_name(const char *target, struct vv_buf *out, struct vv_error *err)
{
    (void)target;
    (void)out;
    return left_out(err);
}

enum vv_rc
postgres_open(const struct postgres_options *o, struct postgres **ret, struct vv_error *err)
{
    (void)o;
    (void)ret;
    return left_out(err);
}

void
postgres_free(struct postgres *p)
{
    (void)p;
}

void
postgres_set_cancel(struct postgres *p, struct vv_cancel *cancel)
{
    (void)p;
    (void)cancel;
}

const char *
postgres_name(const struct postgres *p)
{
    (void)p;
    return "";
}

bool
postgres_on_socket(const struct postgres *p)
{
    (void)p;
    return false;
}

int
postgres_version(const struct postgres *p)
{
    (void)p;
    return 0;
}

const char *
postgres_sqlstate(const struct postgres *p)
{
    (void)p;
    return "";
}

int
postgres_socket(const struct postgres *p)
{
    (void)p;
    return -1;
}

enum vv_rc
postgres_query(struct postgres *p, const char *sql, const char *const *values, unsigned count,
               struct postgres_rows **ret, struct vv_error *err)
{
    (void)p;
    (void)sql;
    (void)values;
    (void)count;
    (void)ret;
    return left_out(err);
}

unsigned
postgres_rows_count(const struct postgres_rows *r)
{
    (void)r;
    return 0;
}

unsigned
postgres_rows_width(const struct postgres_rows *r)
{
    (void)r;
    return 0;
}

const char *
postgres_value(const struct postgres_rows *r, unsigned row, unsigned column)
{
    (void)r;
    (void)row;
    (void)column;
    return NULL;
}

void
postgres_rows_free(struct postgres_rows *r)
{
    (void)r;
}

enum vv_rc
postgres_show(struct postgres *p, const char *name, struct vv_buf *out, struct vv_error *err)
{
    (void)p;
    (void)name;
    (void)out;
    return left_out(err);
}

enum vv_rc
postgres_show_size(struct postgres *p, const char *name, uint64_t *ret, struct vv_error *err)
{
    (void)p;
    (void)name;
    (void)ret;
    return left_out(err);
}

enum vv_rc
postgres_segment_size(struct postgres *p, uint32_t *ret, struct vv_error *err)
{
    (void)p;
    (void)ret;
    return left_out(err);
}

enum vv_rc
postgres_identify(struct postgres *p, struct postgres_system *ret, struct vv_error *err)
{
    (void)p;
    (void)ret;
    return left_out(err);
}

enum vv_rc
postgres_slot_create(struct postgres *p, const char *name, enum postgres_slot_kind kind,
                     struct vv_error *err)
{
    (void)p;
    (void)name;
    (void)kind;
    return left_out(err);
}

enum vv_rc
postgres_slot_read(struct postgres *p, const char *name, struct postgres_slot *ret,
                   struct vv_error *err)
{
    (void)p;
    (void)name;
    (void)ret;
    return left_out(err);
}

enum vv_rc
postgres_slot_drop(struct postgres *p, const char *name, struct vv_error *err)
{
    (void)p;
    (void)name;
    return left_out(err);
}

enum vv_rc
postgres_timeline_history(struct postgres *p, uint32_t timeline, struct vv_buf *content,
                          struct vv_error *err)
{
    (void)p;
    (void)timeline;
    (void)content;
    return left_out(err);
}

enum vv_rc
postgres_base_begin(struct postgres *p, const struct postgres_base_options *o,
                    struct postgres_base_start *ret, struct vv_error *err)
{
    (void)p;
    (void)o;
    (void)ret;
    return left_out(err);
}

enum vv_rc
postgres_base_next(struct postgres *p, struct postgres_base_piece *ret, struct vv_error *err)
{
    (void)p;
    (void)ret;
    return left_out(err);
}

enum vv_rc
postgres_base_finish(struct postgres *p, struct postgres_base_end *ret, struct vv_error *err)
{
    (void)p;
    (void)ret;
    return left_out(err);
}

enum vv_rc
postgres_backup_start(struct postgres *p, const char *label, uint64_t *ret_start,
                      struct vv_error *err)
{
    (void)p;
    (void)label;
    (void)ret_start;
    return left_out(err);
}

enum vv_rc
postgres_backup_stop(struct postgres *p, uint64_t *ret_end, struct vv_buf *label,
                     struct vv_buf *map, struct vv_error *err)
{
    (void)p;
    (void)ret_end;
    (void)label;
    (void)map;
    return left_out(err);
}

enum vv_rc
postgres_started(struct postgres *p, int64_t *ret, struct vv_error *err)
{
    (void)p;
    (void)ret;
    return left_out(err);
}

enum vv_rc
postgres_stream_begin(struct postgres *p, const char *slot, uint64_t start, uint32_t timeline,
                      struct vv_error *err)
{
    (void)p;
    (void)slot;
    (void)start;
    (void)timeline;
    return left_out(err);
}

enum vv_rc
postgres_stream_next(struct postgres *p, unsigned wait_ms, struct postgres_stream_message *ret,
                     struct vv_error *err)
{
    (void)p;
    (void)wait_ms;
    (void)ret;
    return left_out(err);
}

enum vv_rc
postgres_stream_status(struct postgres *p, const struct postgres_stream_status *s,
                       struct vv_error *err)
{
    (void)p;
    (void)s;
    return left_out(err);
}

enum vv_rc
postgres_stream_finish(struct postgres *p, struct vv_error *err)
{
    (void)p;
    return left_out(err);
}

/* NOLINTEND(readability-non-const-parameter) */
