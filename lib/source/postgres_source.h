/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_SOURCE_POSTGRES_SOURCE_H
#define VARVE_SOURCE_POSTGRES_SOURCE_H

#include "source/source.h"

/*
 * A whole PostgreSQL cluster, by the replication protocol: a base backup and the WAL that makes it
 * consistent, as a sequence of items below one root:
 *
 *   ROOT/data/...            the data directory, with backup_label and backup_manifest
 *   ROOT/data/pg_wal/...     every segment from the backup's start to its end, each of
 *                            wal_segment_size bytes, marked as archived; on later timelines also the
 *                            history
 *   ROOT/tablespaces/OID/... what data/pg_tblspc/OID, a relative link, points to
 *   ROOT/tablespace_map      where tablespaces were on the server ("OID LOCATION" lines); if there
 *                            are any.  Not in the data directory: a server that starts there would
 *                            recover on the tablespaces of the original
 *   ROOT/bad_pages           pages with wrong checksums ("PATH BLOCK" lines); if there are any
 *
 * So a plain restore leaves a data directory that starts.
 *
 * The server's tar stream is split as it arrives, and every file compared with the manifest that
 * comes behind: nothing is read twice, and nothing is kept in memory or on disk but WAL, some
 * segments of it, in an unnamed file.  A temporary slot reserves the WAL until it is here.
 *
 * With `files` everything but WAL is read from the server's directories between pg_backup_start and
 * pg_backup_stop, as a walk (source_postgres_begin), and the manifest made here.  Files whose times say
 * that they have not changed since the snapshot before are not read, as with any walk.
 *
 * source_end fails (VV_ORIGIN_SOURCE) if the server did not end the backup well, a file is not what
 * the manifest says, or WAL is missing.  Pages with wrong checksums are no failure: the files are
 * kept, each is a problem event ("page-checksum").
 */
struct source_postgres_options {
    const char *target; /* as of postgres_options */
    const char *root;   /* relative path in the snapshot */
    uint64_t rate;      /* bytes a second at most; 0: no limit */
    bool files; /* the server is on this machine: read its files instead of being sent them */
    const char *temp_dir;
    struct vv_events *events;     /* may be NULL */
    struct vv_progress *progress; /* gets the server's estimate; may be NULL */
    struct vv_cancel *cancel;
};
/** source_postgres_new(o, ret, err): connects, and asks who is there.  The backup begins with the first
 *  source_next, or with source_postgres_begin.  Texts of ${o} are copied.  With `files`, VV_EREFUSED if
 *  the server's directory is not here. */
MUST_CHECK enum vv_rc source_postgres_new(const struct source_postgres_options *o,
                                          struct source **ret, struct vv_error *err);

/** source_postgres_begin(s, previous, ret, err): with `files`: begin, and *ret is the walk over the files
 *  below ROOT/data and ROOT/tablespaces, which belongs to ${s}.  It must be gone through, and what is to
 *  be read of it read, and then source_postgres_files_read be called.  Until then source_next of ${s}
 *  gives WAL as it comes, and *ret_end while there is none; from then on the rest.  WAL that nobody
 *  takes stays on the server.  ${previous} is
 *  the manifest in the snapshot that unchanged files are taken from (empty: there is none).  Without
 *  `files` *ret is NULL, and nothing has happened. */
MUST_CHECK enum vv_rc source_postgres_begin(struct source *s, struct vv_span previous,
                                            struct source **ret, struct vv_error *err);
void source_postgres_files_read(struct source *s);

/** What is known of the cluster; the system from the beginning, the rest at the end. */
struct source_postgres_facts {
    uint64_t system;
    uint32_t timeline;
    uint32_t segment_size;
    uint64_t start; /* WAL positions */
    uint64_t end;
    uint64_t bad_pages;
};
struct source_postgres_facts source_postgres_facts(const struct source *s);

#endif
