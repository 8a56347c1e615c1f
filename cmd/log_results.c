/* SPDX-License-Identifier: BSD-2-Clause */
/* Results in the log for programs. */
#include "log_results.h"

#include "storage/storage.h"

static int64_t
number(uint64_t n)
{
    return n > INT64_MAX ? INT64_MAX : (int64_t)n;
}

void
log_backup(struct app *app, const struct backup_summary *s)
{
    const struct snapshot_statistics *n = &s->statistics;
    char id[VV_UUID_TEXT];

    if (!s->committed) {
        return;
    }
    vv_uuid_text(&s->snapshot.id, id);
    const struct event_field fields[] = {
        event_text("snapshot", id),
        event_number("files", number(n->files)),
        event_number("bytes", number(n->bytes)),
        event_number("bytes_new", number(n->bytes_new)),
        event_number("bytes_stored", number(n->bytes_stored)),
        event_number("skipped", number(n->problems)),
    };
    event_log_write(&app->log, EVENT_INFO, "backup.saved", fields, VV_COUNT(fields));
}

void
log_replicate(struct app *app, const struct replicate_destination *d)
{
    const struct event_field fields[] = {
        event_text("site", d->storage->url),
        event_number("snapshots_there", number(d->summary.snapshots_there)),
        event_number("snapshots_copied", number(d->summary.snapshots_copied)),
        event_number("bytes_copied", number(d->summary.bytes_copied)),
        event_number("code", (int64_t)exit_code_of(d->rc, d->err.origin)),
    };
    bool good = d->rc == VV_OK;

    event_log_write(&app->log, good ? EVENT_INFO : EVENT_ERROR,
                    good ? "replicate.done" : "replicate.failed", fields, VV_COUNT(fields) - good);
}

void
log_forget(struct app *app, const struct forget_summary *s)
{
    const struct event_field fields[] = {
        event_number("snapshots_considered", number(s->judged.considered)),
        event_number("snapshots_forgotten", number(s->forgotten)),
    };

    event_log_write(&app->log, EVENT_INFO, "forget.done", fields, VV_COUNT(fields));
}

void
log_prune(struct app *app, const struct prune_summary *s)
{
    const struct event_field fields[] = {
        event_number("snapshots_deleted", number(s->snapshots_buried)),
        event_number("bytes_deleted", number(s->bytes_deleted)),
        event_number("bytes_written", number(s->bytes_written)),
    };

    if (!s->dry_run) {
        event_log_write(&app->log, EVENT_INFO, "prune.done", fields, VV_COUNT(fields));
    }
}
