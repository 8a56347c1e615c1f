/* SPDX-License-Identifier: BSD-2-Clause */
/* Databases: connected to before anything is read, then read like any sequence. */

#include <inttypes.h>
#include <string.h>

#include "core/alloc.h"
#include "engine/backup_internal.h"
#include "source/postgres_source.h"

enum vv_rc
databases_check(const struct backup_options *o, struct vv_error *err)
{
    for (size_t i = 0; i < o->database_count; i++) {
        const char *name = o->databases[i].name;
        if (name[0] == '\0' || strchr(name, '/') != NULL ||
            !path_valid(vv_span(name, strlen(name)))) {
            return vv_error_set(err, VV_EUSAGE, "'%s' is no name for a database", name);
        }
        for (size_t j = 0; j < i; j++) {
            if (strcmp(name, o->databases[j].name) == 0) {
                (void)vv_error_set(err, VV_EUSAGE, "'%s' is the name of two databases", name);
                vv_error_hint(err, "give them names: NAME=postgres://...");
                return VV_EUSAGE;
            }
        }
    }
    return VV_OK;
}

/** Another cluster under a name that is known would look like the same shop without its orders. */
static enum vv_rc
check_system(struct backup *b, const char *name, uint64_t system, struct vv_error *err)
{
    struct local_state *state = repo_state(b->repo);
    const char *directory = NULL;
    uint64_t known = 0;

    if (state == NULL) {
        return VV_OK;
    }
    VV_TRY(local_state_database(state, name, &known, err));
    if (known == 0 || known == system) {
        return VV_OK;
    }
    (void)local_state_directory(state, &directory);
    (void)vv_error_set(err, VV_EREFUSED,
                       "database '%s' is another system than before: identifier %" PRIu64
                       ", it was %" PRIu64,
                       name, system, known);
    vv_error_hint(err,
                  "if that is meant (a new cluster, pg_upgrade), give it another name: "
                  "NAME=postgres://..., or remove its line from %s/databases",
                  directory);
    return vv_error_origin(err, VV_ORIGIN_SOURCE, VV_EREFUSED);
}

static enum vv_rc
open_one(struct backup *b, const struct backup_database *d, struct database_run *run,
         struct vv_error *err)
{
    struct source_postgres_options o = {.target = d->target,
                                        .root = run->root,
                                        .rate = b->options->database_rate,
                                        .files = b->options->database_files,
                                        .temp_dir = repo_temp_dir(b->repo),
                                        .events = &b->source_events.base,
                                        .progress = b->progress,
                                        .cancel = repo_cancel(b->repo)};

    VV_TRY(source_postgres_new(&o, &run->source, err));
    run->wal.system = source_postgres_facts(run->source).system;
    return check_system(b, d->name, run->wal.system, err);
}

enum vv_rc
databases_open(struct backup *b, struct vv_error *err)
{
    const struct backup_options *o = b->options;

    b->databases = vv_alloc_array(o->database_count + 1, sizeof(*b->databases));
    if (b->databases == NULL) {
        return vv_error_nomem(err);
    }
    for (size_t i = 0; i < o->database_count; i++) {
        struct database_run *run = &b->databases[i];
        VV_CLEANUP(vv_buf_release) struct vv_buf root = {0};
        vv_buf_printf(&root, "postgres/%s", o->databases[i].name);
        VV_TRY(vv_buf_check(&root, err));
        run->root = vv_strdup(vv_buf_text(&root));
        if (run->root == NULL) {
            return vv_error_nomem(err);
        }
        enum vv_rc rc = open_one(b, &o->databases[i], run, err);
        if (rc != VV_OK) {
            source_free(TAKE(run->source));
            VV_TRY(sequence_left_out(b, run->root, b->sequence_count, rc, err));
        }
    }
    return VV_OK;
}

enum vv_rc
databases_read(struct backup *b, struct worker *w, struct vv_error *err)
{
    for (size_t i = 0; i < b->options->database_count; i++) {
        struct database_run *run = &b->databases[i];
        size_t before = b->sequence_count;
        enum vv_rc rc;
        if (run->source == NULL) {
            continue; /* left out */
        }
        rc = files_read(b, w, run->root, run->source, err);
        if (rc != VV_OK && backup_failed(b)) {
            return rc; /* workers may still be reading: it is freed when they have ended */
        }
        if (rc == VV_OK) {
            rc = sequence_read(b, w, run->source, false, err);
        }
        struct source_postgres_facts facts = source_postgres_facts(run->source);
        run->wal = (struct snapshot_wal){.system = facts.system,
                                         .segment_size = facts.segment_size,
                                         .timeline = facts.timeline,
                                         .from = facts.start,
                                         .to = facts.end};
        source_free(TAKE(run->source));
        run->complete = rc == VV_OK;
        if (rc != VV_OK) {
            VV_TRY(sequence_left_out(b, run->root, before, rc, err));
        }
    }
    return VV_OK;
}

enum vv_rc
databases_describe(struct backup *b, struct snapshot_body *body, struct vv_error *err)
{
    body->wal = vv_alloc_array(b->options->database_count + 1, sizeof(*body->wal));
    if (body->wal == NULL) {
        return vv_error_nomem(err);
    }
    for (size_t i = 0; i < b->options->database_count; i++) {
        if (b->databases[i].complete) {
            body->wal[body->wal_count++] = b->databases[i].wal;
        }
    }
    return VV_OK;
}

void
databases_remember(struct backup *b)
{
    for (size_t i = 0; i < b->options->database_count; i++) {
        struct vv_error err = {0};
        if (repo_state(b->repo) != NULL && b->databases[i].complete &&
            local_state_set_database(repo_state(b->repo), b->options->databases[i].name,
                                     b->databases[i].wal.system, &err) != VV_OK) {
            vv_emit(repo_events(b->repo), VV_EVENT_WARNING, "database-not-remembered",
                    vv_span(NULL, 0), "%s", err.message);
        }
    }
}

void
databases_free(struct backup *b)
{
    for (size_t i = 0; b->databases != NULL && i < b->options->database_count; i++) {
        source_free(b->databases[i].source);
        vv_free(b->databases[i].root);
    }
    vv_free(b->databases);
    for (uint32_t i = 0; i < b->incomplete_count; i++) {
        vv_free(b->incomplete[i]);
    }
    vv_free(b->incomplete);
}
