/* SPDX-License-Identifier: BSD-2-Clause */
/* What replicate says about each destination. */
#include "replicate_report.h"

#include "render.h"

enum exit_code
replicate_verdict(const struct replicate_destination *d)
{
    const struct replicate_summary *s = &d->summary;
    enum exit_code code = exit_code_of(d->rc, d->err.origin);

    if (s->packs_unhealed > 0 || s->source_damaged > 0 || s->snapshots_incomplete > 0) {
        code = exit_code_worse(code, EXIT_CORRUPT);
    }
    if (s->packs_damaged > 0) {
        code = exit_code_worse(code, EXIT_PROBLEMS);
    }
    return s->forged ? exit_code_worse(code, EXIT_FORGED) : code;
}

void
replicate_report_json(struct json *j, const struct replicate_destination *d)
{
    const struct replicate_summary *s = &d->summary;

    json_put_object(j, NULL);
    json_put_text(j, "repository", d->storage->url);
    json_put_bool(j, "done", d->rc == VV_OK);
    json_put_u64(j, "exit", (uint64_t)replicate_verdict(d));
    json_put_text(j, "error", d->rc == VV_OK ? NULL : d->err.message);
    json_put_text(j, "hint", d->rc == VV_OK || d->err.hint[0] == '\0' ? NULL : d->err.hint);
    json_put_bool(j, "made", s->made);
    json_put_u64(j, "snapshots_source", s->snapshots_source);
    json_put_u64(j, "snapshots_there", s->snapshots_there);
    json_put_u64(j, "snapshots_copied", s->snapshots_copied);
    json_put_u64(j, "snapshots_incomplete", s->snapshots_incomplete);
    if (s->useful_since != 0) {
        json_put_time(j, "useful_since", s->useful_since);
    } else {
        json_put_null(j, "useful_since");
    }
    if (s->newest != 0) {
        json_put_time(j, "newest_snapshot", s->newest);
    } else {
        json_put_null(j, "newest_snapshot");
    }
    json_put_u64(j, "packs_copied", s->packs_copied);
    json_put_u64(j, "bytes_copied", s->bytes_copied);
    json_put_u64(j, "packs_adopted", s->packs_adopted);
    json_put_u64(j, "packs_there", s->packs_there);
    json_put_u64(j, "bytes_there", s->bytes_there);
    json_put_u64(j, "packs_damaged", s->packs_damaged);
    json_put_u64(j, "packs_healed", s->packs_healed);
    json_put_u64(j, "packs_unhealed", s->packs_unhealed);
    json_put_u64(j, "packs_read_back", s->packs_read);
    json_put_u64(j, "bytes_read_back", s->bytes_read);
    json_put_u64(j, "packs_digested", s->packs_digested);
    json_put_u64(j, "bytes_digested", s->bytes_digested);
    json_put_u64(j, "source_packs_damaged", s->source_damaged);
    json_put_u64(j, "source_packs_unindexed", s->source_unindexed);
    json_put_u64(j, "objects_copied", s->objects_copied);
    json_put_u64(j, "key_slots_extra", s->key_slots_extra);
    json_put_u64(j, "objects_refused", s->objects_refused);
    json_put_u64(j, "batches", s->batches);
    json_put_u64(j, "retries", s->retries);
    json_put_bool(j, "forged", s->forged);
    json_put_real(j, "seconds", (double)s->duration_ns / 1e9);
    json_put_end(j);
}

/** A line that is only there when there is something to say. */
static void
put_note(uint64_t n, const char *one, const char *many, FILE *file)
{
    if (n > 0) {
        fprintf(file, "  ");
        render_count(n, one, many, file);
        fputc('\n', file);
    }
}

static void
put_copied(const struct replicate_summary *s, FILE *file)
{
    fprintf(file, "  ");
    render_count(s->snapshots_copied, "snapshot", "snapshots", file);
    fprintf(file, " and ");
    render_count(s->packs_copied, "pack", "packs", file);
    fprintf(file, " (");
    render_size(s->bytes_copied, file);
    fprintf(file, ") copied in ");
    render_duration(s->duration_ns, file);
    fputc('\n', file);
}

/** What is there now, and what of it was read: nothing else is called verified. */
static void
put_there(const struct replicate_destination *d, FILE *file)
{
    const struct replicate_summary *s = &d->summary;
    char when[VV_TIME_TEXT];

    fprintf(file, "  there now: %llu of ", (unsigned long long)s->snapshots_there);
    render_count(s->snapshots_source, "snapshot", "snapshots", file);
    if (s->newest != 0) {
        vv_time_format(s->newest, when);
        fprintf(file, ", the newest of %s", when);
    }
    fprintf(file, "\n  ");
    render_count(s->packs_there, "pack", "packs", file);
    fprintf(file, ", ");
    render_size(s->bytes_there, file);
    fprintf(file, ": every size compared; ");
    if (s->packs_read > 0) {
        render_count(s->packs_read, "pack", "packs", file);
        fprintf(file, " (");
        render_size(s->bytes_read, file);
        fprintf(file, ") read back and compared\n");
    } else {
        fprintf(file, "nothing read back in this run\n");
    }
    if (s->packs_digested > 0) {
        fprintf(file, "  ");
        render_count(s->packs_digested, "pack", "packs", file);
        fprintf(file, " (");
        render_size(s->bytes_digested, file);
        fprintf(file, "): right digest, computed by the site's host, not read from here\n");
    }
}

void
replicate_report(const struct replicate_destination *d, FILE *file)
{
    const struct replicate_summary *s = &d->summary;
    char when[VV_TIME_TEXT];

    fprintf(file, "'");
    message_print(d->storage->url, file);
    fprintf(file, "'%s%s\n", s->made ? ", a new replica" : "",
            d->rc != VV_OK ? ": not brought up to date" : "");
    put_copied(s, file);
    if (s->useful_since != 0) {
        vv_time_format(s->useful_since, when);
        fprintf(file, "  can be restored from since %s\n", when);
    }
    if (d->rc == VV_OK) {
        put_there(d, file);
    }
    put_note(s->packs_adopted, "pack that lay there was taken over",
             "packs that lay there were taken over", file);
    put_note(s->packs_damaged, "pack there was damaged (named above)",
             "packs there were damaged (named above)", file);
    put_note(s->packs_healed, "pack was healed from the source",
             "packs were healed from the source", file);
    put_note(s->packs_unhealed, "pack there stays damaged: the source does not have it",
             "packs there stay damaged: the source does not have them", file);
    put_note(s->source_damaged, "pack of the source cannot be read (named above)",
             "packs of the source cannot be read (named above)", file);
    put_note(s->snapshots_incomplete, "snapshot could not be copied",
             "snapshots could not be copied", file);
    put_note(s->source_unindexed, "pack no index names was left out (an interrupted backup's)",
             "packs no index names were left out (interrupted backups')", file);
    put_note(s->key_slots_extra, "key slot removed at the source still opens this replica",
             "key slots removed at the source still open this replica", file);
}
