/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_POSTGRES_POSTGRES_H
#define VARVE_POSTGRES_POSTGRES_H

#include <stdbool.h>
#include <stdint.h>

#include "core/bytes.h"
#include "core/event.h"
#include "core/thread.h"

/*
 * A connection to a PostgreSQL server (15 or newer): SQL, and the replication protocol's base backup
 * and WAL stream.  This folder alone knows libpq; a build without it has every function, and
 * postgres_open says what was left out (VV_EUNSUPPORTED).  Where libpq was but is not found when it is
 * needed first, postgres_open and the functions about targets say so in the same way.
 *
 * A connection belongs to one thread at a time.  Whatever waits for the server looks at `cancel`
 * several times a second.  Positions (LSN) are byte counts.
 *
 * Failures are put into categories by SQLSTATE, and come from VV_ORIGIN_SOURCE:
 *   VV_EAUTH         the server refused user or password, or its pg_hba.conf or the role's rights do
 *   VV_ETRANSIENT    not reachable, gone, starting up, shutting down, full of connections, silent;
 *                    a slot that another connection holds
 *   VV_ENOTFOUND     no such slot, database, timeline; WAL that is not there any more (58P01)
 *   VV_EEXISTS       the slot exists
 *   VV_ECORRUPT      the server found damaged data, or sent what the protocol does not allow
 *   VV_EUNSUPPORTED  an older server, or one that lacks what was asked for
 *   VV_EIO           everything else, with the server's own text
 * After a failed call but a refused command the connection is of no further use.
 */
struct postgres;

/** postgres_available(): was this built with libpq? */
bool postgres_available(void);

/** postgres_is_url(text): "postgres://..." or "postgresql://..."? */
bool postgres_is_url(const char *text);
/** postgres_url_of(argument): where the URL begins in "postgres://..." or "NAME=postgres://..."; NULL: it is
 *  neither. */
const char *postgres_url_of(const char *argument);

/**
 * postgres_target_check(target, err): is this a URL or a "keyword=value" string libpq takes?
 * VV_EUSAGE: it is none, or holds a password (arguments are seen by everybody on the machine; the
 * hint names ~/.pgpass).  No message repeats the target.
 */
MUST_CHECK enum vv_rc postgres_target_check(const char *target, struct vv_error *err);

/** postgres_target_name(target, out, err): append a short name of the server, fit for a path: host
 *  of the target, environment or service, "local" for a socket; "-PORT" unless 5432; several hosts
 *  with '+' between them. */
MUST_CHECK enum vv_rc postgres_target_name(const char *target, struct vv_buf *out,
                                           struct vv_error *err);

enum postgres_use {
    POSTGRES_SQL,         /* statements in a database */
    POSTGRES_REPLICATION, /* commands of physical replication, and SHOW; nothing else */
};
struct postgres_options {
    const char *target; /* URL or "keyword=value"; what it does not say comes from the service file,
                           PG* variables, ~/.pgpass and libpq's defaults.  Nobody is ever asked */
    enum postgres_use use;
    const char *program;      /* fallback application_name; NULL: "varve".  A synchronous standby is
                                 recognised by it */
    unsigned connect_seconds; /* for the whole of connecting; 0: 30 */
    unsigned silence_seconds; /* VV_ETRANSIENT after so long without a byte where the server owes an
                                 answer; 0: 60.  Not while a base backup waits for its checkpoint */
    struct vv_events *events; /* the server's warnings ("server-warning"); may be NULL */
    struct vv_cancel *cancel; /* may be NULL */
};
/** postgres_open(o, ret, err): connect.  ${o} is copied, but what it points to besides target and
 *  program is borrowed. */
MUST_CHECK enum vv_rc postgres_open(const struct postgres_options *o, struct postgres **ret,
                                    struct vv_error *err);
/** postgres_free(p): disconnect; the server ends what was going on. */
void postgres_free(struct postgres *p);
VV_DEFINE_CLEANUP(struct postgres, postgres_free);

/** postgres_set_cancel(p, cancel): listen to another request to stop from now on; for a connection that
 *  is handed to a thread of its own.  May be NULL. */
void postgres_set_cancel(struct postgres *p, struct vv_cancel *cancel);

/** postgres_name(p): "db:5432" or a socket's path, for messages; borrowed. */
const char *postgres_name(const struct postgres *p);
/** postgres_on_socket(p): is the server on this machine, by a Unix socket? */
bool postgres_on_socket(const struct postgres *p);
/** postgres_version(p): 150020 is 15.20. */
int postgres_version(const struct postgres *p);
/** postgres_sqlstate(p): five characters of the last refusal, "" if there was none. */
const char *postgres_sqlstate(const struct postgres *p);
/** postgres_socket(p): to be polled for reading, together with others; -1 if there is none. */
int postgres_socket(const struct postgres *p);

/* ---- statements (postgres_query.c) ---- */

/** The rows of an answer; all text. */
struct postgres_rows;
/** postgres_query(p, sql, values, count, ret, err): one statement; ${values} (may be NULL with 0;
 *  not for POSTGRES_REPLICATION) stand for $1, $2...; a NULL value is null.  ${ret} may be NULL. */
MUST_CHECK enum vv_rc postgres_query(struct postgres *p, const char *sql, const char *const *values,
                                     unsigned count, struct postgres_rows **ret,
                                     struct vv_error *err);
unsigned postgres_rows_count(const struct postgres_rows *r);
unsigned postgres_rows_width(const struct postgres_rows *r);
/** postgres_value(r, row, column): borrowed; NULL for null, and where there is no such field. */
const char *postgres_value(const struct postgres_rows *r, unsigned row, unsigned column);
void postgres_rows_free(struct postgres_rows *r);
VV_DEFINE_CLEANUP(struct postgres_rows, postgres_rows_free);

/** postgres_show(p, name, out, err): append a setting's value. */
MUST_CHECK enum vv_rc postgres_show(struct postgres *p, const char *name, struct vv_buf *out,
                                    struct vv_error *err);
/** postgres_show_size(p, name, ret, err): a setting that is a size ("1GB"), in bytes; of one without a
 *  unit, the number. */
MUST_CHECK enum vv_rc postgres_show_size(struct postgres *p, const char *name, uint64_t *ret,
                                         struct vv_error *err);
/** postgres_segment_size(p, ret, err): wal_segment_size in bytes. */
MUST_CHECK enum vv_rc postgres_segment_size(struct postgres *p, uint32_t *ret,
                                            struct vv_error *err);

/* ---- replication commands (postgres_replication.c); POSTGRES_REPLICATION only ---- */

struct postgres_system {
    uint64_t system; /* the cluster's identifier: the same on all its standbys */
    uint32_t timeline;
    uint64_t position; /* flushed (of a standby: replayed or received) so far */
};
MUST_CHECK enum vv_rc postgres_identify(struct postgres *p, struct postgres_system *ret,
                                        struct vv_error *err);

/** Names of slots: lower-case letters, digits, '_', at most 63; else VV_EUSAGE. */
enum postgres_slot_kind {
    POSTGRES_SLOT_LASTING,
    POSTGRES_SLOT_TEMPORARY, /* gone with the connection */
};
struct postgres_slot {
    bool exists;
    bool physical;
    bool reserved;     /* restart and timeline are known */
    uint64_t restart;  /* WAL from here on is kept */
    uint32_t timeline; /* of that position */
};
/** postgres_slot_create(p, name, kind, err): physical, reserving WAL from now on. */
MUST_CHECK enum vv_rc postgres_slot_create(struct postgres *p, const char *name,
                                           enum postgres_slot_kind kind, struct vv_error *err);
/** postgres_slot_read(p, name, ret, err): VV_OK with exists false if there is none. */
MUST_CHECK enum vv_rc postgres_slot_read(struct postgres *p, const char *name,
                                         struct postgres_slot *ret, struct vv_error *err);
/** postgres_slot_drop(p, name, err): VV_ENOTFOUND if there is none; waits while it is in use. */
MUST_CHECK enum vv_rc postgres_slot_drop(struct postgres *p, const char *name,
                                         struct vv_error *err);

/** postgres_timeline_history(p, timeline, content, err): append the content of the file
 *  "%08X.history"; VV_ENOTFOUND if the server has none (timeline 1 never has). */
MUST_CHECK enum vv_rc postgres_timeline_history(struct postgres *p, uint32_t timeline,
                                                struct vv_buf *content, struct vv_error *err);

/* ---- base backup (postgres_base.c) ---- */

struct postgres_base_options {
    const char *label;     /* any text */
    uint32_t rate_kib;     /* kibibytes a second at most, 32 to 1048576; 0: no limit */
    bool fast_checkpoint;  /* at once, instead of spread over checkpoint_timeout */
    bool verify_checksums; /* let the server check pages (if it has data checksums) */
};
struct postgres_tablespace {
    uint32_t oid;
    const char *location; /* on the server */
    uint64_t size;        /* estimate, bytes */
};
struct postgres_base_start {
    uint64_t start; /* WAL from here on is needed */
    uint32_t timeline;
    const struct postgres_tablespace *tablespaces; /* without the data directory; borrowed until the
                                                      connection is freed */
    unsigned tablespace_count;
    uint64_t size; /* estimate of the whole, bytes */
};
/** postgres_base_begin(p, o, ret, err): waits for the checkpoint, however long it takes. */
MUST_CHECK enum vv_rc postgres_base_begin(struct postgres *p, const struct postgres_base_options *o,
                                          struct postgres_base_start *ret, struct vv_error *err);

enum postgres_base_kind {
    POSTGRES_BASE_ARCHIVE,  /* a tar begins; name "16384.tar" (a tablespace) or "base.tar" (last) */
    POSTGRES_BASE_MANIFEST, /* what follows is the manifest */
    POSTGRES_BASE_DATA,     /* of the tar or manifest: at most some tens of KiB */
    POSTGRES_BASE_PROGRESS, /* bytes the server has sent so far */
    POSTGRES_BASE_WARNING,  /* the server's text, and the function in it that says so; it stands
                               between the data where the server wrote it */
    POSTGRES_BASE_END,
};
struct postgres_base_piece {
    enum postgres_base_kind kind;
    struct vv_span data;  /* POSTGRES_BASE_DATA; valid until the next call */
    const char *name;     /* POSTGRES_BASE_ARCHIVE */
    const char *location; /* POSTGRES_BASE_ARCHIVE: "" for the data directory */
    const char *text;     /* POSTGRES_BASE_WARNING */
    const char *function; /* POSTGRES_BASE_WARNING: "sendFile"; "" if not told */
    uint64_t done;        /* POSTGRES_BASE_PROGRESS */
};
/** postgres_base_next(p, ret, err): the next piece. */
MUST_CHECK enum vv_rc postgres_base_next(struct postgres *p, struct postgres_base_piece *ret,
                                         struct vv_error *err);

struct postgres_base_end {
    uint64_t end; /* WAL up to here is needed */
    uint32_t timeline;
    bool
        bad_pages; /* the server found pages with wrong checksums; everything was sent all the same */
};
/** postgres_base_finish(p, ret, err): after POSTGRES_BASE_END: the server's verdict. */
MUST_CHECK enum vv_rc postgres_base_finish(struct postgres *p, struct postgres_base_end *ret,
                                           struct vv_error *err);

/* ---- a backup by whoever copies the files (postgres_backup.c); POSTGRES_SQL only ---- */

/** postgres_backup_start(p, label, ret_start, err): from now on the files may be copied, as long as this
 *  connection lives; WAL from *ret_start on is needed.  Waits for the checkpoint, for silence_seconds
 *  at most. */
MUST_CHECK enum vv_rc postgres_backup_start(struct postgres *p, const char *label,
                                            uint64_t *ret_start, struct vv_error *err);
/** postgres_backup_stop(p, ret_end, label, map, err): everything was copied; WAL up to *ret_end is needed.
 *  Appends the content of the file backup_label, which belongs to the copy, and of tablespace_map:
 *  "OID LOCATION" lines of the tablespaces there were at the start.  Waits for no archive. */
MUST_CHECK enum vv_rc postgres_backup_stop(struct postgres *p, uint64_t *ret_end,
                                           struct vv_buf *label, struct vv_buf *map,
                                           struct vv_error *err);
/** postgres_started(p, ret, err): when the server was started, seconds since 1970. */
MUST_CHECK enum vv_rc postgres_started(struct postgres *p, int64_t *ret, struct vv_error *err);

/* ---- WAL stream (postgres_stream.c) ---- */

/** postgres_stream_begin(p, slot, start, timeline, err): from ${start} on; ${slot} may be NULL.
 *  VV_ENOTFOUND if that WAL is gone.  A timeline that had ended there already is no failure:
 *  the first message is POSTGRES_STREAM_TIMELINE_END. */
MUST_CHECK enum vv_rc postgres_stream_begin(struct postgres *p, const char *slot, uint64_t start,
                                            uint32_t timeline, struct vv_error *err);

enum postgres_stream_kind {
    POSTGRES_STREAM_NOTHING,      /* for so long nothing came */
    POSTGRES_STREAM_WAL,          /* data, from `start` on */
    POSTGRES_STREAM_KEEPALIVE,    /* answer at once if `answer` */
    POSTGRES_STREAM_TIMELINE_END, /* the stream is over: go on with that timeline from that position */
    POSTGRES_STREAM_END,          /* the server ended it (it is shutting down) */
};
struct postgres_stream_message {
    enum postgres_stream_kind kind;
    struct vv_span data; /* valid until the next call */
    uint64_t start;
    uint64_t server_end; /* the end of the server's WAL */
    int64_t server_time; /* ns since 1970 */
    bool answer;
    uint32_t next_timeline; /* POSTGRES_STREAM_TIMELINE_END */
    uint64_t next_start;    /* POSTGRES_STREAM_TIMELINE_END */
};
/** postgres_stream_next(p, wait_ms, ret, err): the next message, waiting at most ${wait_ms}.  Never
 *  gives up by itself: whoever calls counts how long nothing has come. */
MUST_CHECK enum vv_rc postgres_stream_next(struct postgres *p, unsigned wait_ms,
                                           struct postgres_stream_message *ret,
                                           struct vv_error *err);

/** Positions up to which WAL was received, is safe, and (for a standby) was replayed. */
struct postgres_stream_status {
    uint64_t written;
    uint64_t flushed;
    uint64_t applied;
    int64_t now; /* ns since 1970 */
    bool answer; /* ask the server for a keepalive */
};
MUST_CHECK enum vv_rc postgres_stream_status(struct postgres *p,
                                             const struct postgres_stream_status *s,
                                             struct vv_error *err);
/** postgres_stream_finish(p, err): end it from our side; the connection takes commands again. */
MUST_CHECK enum vv_rc postgres_stream_finish(struct postgres *p, struct vv_error *err);

#endif
