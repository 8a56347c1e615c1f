/* SPDX-License-Identifier: BSD-2-Clause */
/* varve wal get NAME FILE: one file of WAL out of the repository; PostgreSQL's restore_command. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "core/file.h"
#include "engine/wal_fetch.h"
#include "engine/wal_spool.h"
#include "engine/wal_target.h"
#include "format/wal.h"
#include "wal_commands.h"

#define CONTROL "global/pg_control"
#define CONTROL_LIMIT (1u << 20)
#define PREFETCH 8u

struct get_command_line {
    const char *system;
    unsigned prefetch;
    bool no_prefetch;
};
static const struct option_spec specs[] = {
    {"system", '\0', OPTION_TEXT, offsetof(struct get_command_line, system), "ID",
     "the cluster (default: as " CONTROL " in the current directory says)", NULL},
    {"prefetch", '\0', OPTION_NUMBER, offsetof(struct get_command_line, prefetch), "N",
     "fetch so many of the following segments into the local cache, too (default: 8)", NULL},
    {"no-prefetch", '\0', OPTION_FLAG, offsetof(struct get_command_line, no_prefetch), NULL,
     "fetch nothing ahead", NULL},
    OPTION_END,
};

/** The cluster whose data directory this is run in. */
static enum vv_rc
ask_control(struct app *app, uint64_t *ret)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf control = {0};
    enum vv_rc rc = vv_file_read(AT_FDCWD, CONTROL, CONTROL_LIMIT, &control, &app->err);

    if (rc == VV_OK) {
        rc = wal_control_decode(vv_buf_span(&control), ret, &app->err);
    }
    if (rc != VV_OK) {
        (void)vv_error_prefix(&app->err, "which cluster is this for");
        vv_error_hint(&app->err, "run it in the data directory, as a server does, or give "
                                 "--system ID");
    }
    return rc;
}

/** Is a whole segment of that name beside the file to be written?  A base backup brings its own.  But
 *  not by its name: a server gives old segments the names of those to come before it overwrites them. */
static bool
is_beside(uint64_t system, const char *name, const char *path, uint64_t size)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf beside = {0};
    VV_CLEANUP(vv_fd_closep) int fd = -1;
    const char *slash = strrchr(path, '/');
    struct wal_file_name parsed = wal_file_name_parse(name);
    struct wal_first_page page;
    uint8_t head[WAL_FIRST_PAGE];
    uint64_t number;
    size_t got = 0;
    struct stat st;

    vv_buf_put(&beside, path, slash != NULL ? (size_t)(slash - path) + 1 : 0);
    vv_buf_put_text(&beside, name);
    if (stat(vv_buf_text(&beside), &st) != 0 || !S_ISREG(st.st_mode) ||
        (size != 0 && (uint64_t)st.st_size != size)) {
        return false;
    }
    if (parsed.kind != WAL_FILE_SEGMENT) {
        return true;
    }
    fd = open(vv_buf_text(&beside), O_RDONLY | O_CLOEXEC | O_NOCTTY);
    return fd >= 0 &&
           vv_fd_pread_full(fd, head, sizeof(head), 0, vv_buf_text(&beside), &got, NULL) == VV_OK &&
           wal_first_page_decode(vv_span(head, got), &page, NULL) == VV_OK &&
           page.system == system && page.segment_size == (uint64_t)st.st_size &&
           page.timeline <= parsed.timeline &&
           wal_file_number(&parsed, page.segment_size, &number) &&
           page.start == number * page.segment_size;
}

static enum vv_rc
deliver(struct app *app, struct wal_fetcher *f, uint64_t system, const char *name,
        const struct wal_found *found, const char *path)
{
    struct wal_target t;
    enum vv_rc rc;

    VV_TRY(wal_target_open(path, &t, &app->err));
    rc = wal_fetch_write(f, system, name, found, t.fd, path, &app->err);
    if (rc == VV_OK) {
        rc = wal_target_finish(&t, path, &app->err);
    }
    wal_target_release(&t);
    return rc;
}

/** Bring it from the repository, and what follows it into the local cache; *ret_absent: it is not there,
 *  as far as the list of snapshots tells. */
static enum vv_rc
fetch(struct app *app, const struct get_command_line *o, uint64_t system, const char *name,
      const char *path, bool *ret_absent)
{
    VV_CLEANUP(snapshot_list_release) struct snapshot_list l = {0};
    VV_CLEANUP(wal_fetcher_freep) struct wal_fetcher *f = NULL;
    struct wal_found found = {0};
    enum vv_rc rc;

    VV_TRY(repo_known_slots(app->repo) == KNOWN_SLOTS_TRUSTED /* what is wrong is told once */
               ? app_snapshots(app, &l)
               : snapshot_list_read(app->repo, &l, &app->err));
    VV_TRY(wal_fetcher_open(app->repo, &l, &f, &app->err));
    rc = wal_fetch_find(f, system, name, &found, &app->err);
    if ((found.absent || found.gap) && is_beside(system, name, path, found.size)) {
        rc = wal_catalog_complete(&l, &app->err); /* the server takes that one */
        found.absent = rc == VV_OK;
    }
    VV_TRY(rc);
    *ret_absent = found.absent;
    if (found.absent) {
        return VV_OK;
    }
    VV_TRY(deliver(app, f, system, name, &found, path));
    app->wal_answer = WAL_ANSWER_DELIVERED;
    if (!o->no_prefetch && found.stored == found.size) {
        wal_spool_fill(app->repo, f, system, name, o->prefetch != 0 ? o->prefetch : PREFETCH);
    }
    return VV_OK;
}

/** What is there is found among slots that were read before: its bytes are authenticated anyway.  That it
 *  is not there, which ends a recovery, only those tell that are read now. */
static enum vv_rc
get(struct app *app, const struct get_command_line *o, const char *name, const char *path)
{
    uint64_t system = 0;
    bool there = false;
    bool absent = false;

    VV_TRY(wal_system_option(app, o->system, &system));
    if (system == 0) {
        VV_TRY(ask_control(app, &system));
    }
    app->known_slots = KNOWN_SLOTS_TRUSTED;
    VV_TRY(app_open(app, APP_READ));
    if (!o->no_prefetch) {
        VV_TRY(wal_spool_take(app->repo, system, name, path, &there, &app->err));
        if (there) {
            app->wal_answer = WAL_ANSWER_DELIVERED;
            return VV_OK;
        }
    }
    VV_TRY(fetch(app, o, system, name, path, &absent));
    if (absent) {
        repo_use_known_slots(app->repo, KNOWN_SLOTS_COMPARED);
        VV_TRY(fetch(app, o, system, name, path, &absent));
    }
    if (absent) {
        app->wal_answer = WAL_ANSWER_ABSENT;
    }
    return VV_OK;
}

static enum exit_code
run(struct app *app, int argc, char **argv)
{
    struct get_command_line o = {0};
    struct arguments args = {0};
    struct json *j;
    enum vv_rc rc;

    if (!app_arguments(app, &o, argc, argv, 2, 2, &args)) {
        return app_finish(app, app->err.rc, EXIT_DONE);
    }
    rc = get(app, &o, args.items[0], args.items[1]);
    j = rc == VV_OK ? app_json(app) : NULL;
    if (j != NULL) {
        json_put_text(j, "file", args.items[0]);
        json_put_bool(j, "absent", app->wal_answer == WAL_ANSWER_ABSENT);
    } else if (rc == VV_OK && app->wal_answer == WAL_ANSWER_ABSENT && !app->global.quiet) {
        messages_say(&app->messages, "there is no '%s' in this repository", args.items[0]);
    }
    arguments_release(&args);
    return app_finish(app, rc, EXIT_DONE);
}

const struct command wal_get_command = {
    .name = "get",
    .arguments = "NAME FILE",
    .summary = "bring back a file of WAL (restore_command = 'varve wal get %f %p')",
    .details =
        "Exit code 0: the file is in place.  1: it is proven that the repository does not hold "
        "it.\n"
        "126, or 130 when interrupted: anything else; the server then ends its recovery with an\n"
        "error instead of going into production with less than there is.",
    .specs = specs,
    .run = run,
};
