/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_RENDER_H
#define VARVE_CMD_RENDER_H

#include "engine/backup.h"
#include "engine/restore.h"
#include "repo/snapshots.h"
#include "report/json.h"
#include "report/table.h"

/* How things look: texts for people on a stream, members of an open JSON object. */

const char *render_slot_kind(enum key_slot_type type);
/** "administrator", "reader", "writer". */
const char *render_role(enum key_role role);
/** "full", "incremental", "wal". */
const char *render_mode(enum snapshot_mode mode);
const char *render_entry_type(enum entry_type type);
/** Ids as in lists: the first eight digits. */
#define RENDER_ID 9
void render_short_id(const struct vv_uuid *id, char out[RENDER_ID]);

/** render_job(b): the job that made a snapshot, by its tag; "" if none did. */
const char *render_job(const struct snapshot_body *b);

/** A path in text; with the slash its snapshot does not store. */
void render_path(struct vv_span path, FILE *file);

void render_json_path(struct json *j, const char *key, struct vv_span path);

void render_json_uuid(struct json *j, const char *key, const struct vv_uuid *id);
void render_json_statistics(struct json *j, const struct snapshot_statistics *s);
/** An object: id, time, host, paths, tags, mode and the rest; by whom, as the certificates in
 *  ${admin} say. */
void render_json_snapshot(struct json *j, const char *key, const struct snapshot *s,
                          const struct admin_records *admin);
/** The name of the client that wrote it or, if its certificate has none, the beginning of its id. */
void render_client(const struct snapshot *s, const struct admin_records *admin,
                   char out[LIMIT_LABEL + 1]);
/** Nanoseconds since 1970, at the ends of the range if there are too many. */
int64_t render_time(const struct entry_time *t);
/** The members of an entry: path, type, size, mode, owner, times. */
void render_json_entry(struct json *j, const struct entry *e);
/** One line of `ls -l`. */
void render_entry_long(const struct entry *e, FILE *file);

/** All sources of a snapshot in one cell. */
void render_sources(struct table *t, const struct snapshot_body *b);

/** Summaries. */
void render_backup_json(struct json *j, const struct backup_summary *s);
void render_backup(const struct backup_summary *s, FILE *file);
void render_restore_json(struct json *j, const struct restore_summary *s);
void render_restore(const struct restore_summary *s, const struct restore_options *o, FILE *file);

/** "1 file", "2,345 files". */
void render_count(uint64_t n, const char *one, const char *many, FILE *file);
/** Milliseconds below ten seconds, else as vv_text_duration. */
void render_duration(uint64_t ns, FILE *file);
void render_size(uint64_t bytes, FILE *file);

#endif
