/* SPDX-License-Identifier: BSD-2-Clause */
/* Completion: what this host's configuration and repositories have. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "completion.h"
#include "core/text.h"
#include "render.h"

#define SECONDS_AT_MOST 1 /* VARVE_COMPLETION_TIMEOUT */
#define SECONDS_ALLOWED 60

/* ---- configuration ---- */

static enum vv_rc
list_sections(struct app *app, const char *kind, const char *key, struct vv_buf *out)
{
    struct settings *c = NULL;

    VV_TRY(settings_input_read(app, &c, &app->err));
    for (const struct settings_section *s = settings_sections(c); s != NULL; s = s->next) {
        const char *value = settings_get(s, key);
        if (strcmp(s->spec->kind, kind) == 0) {
            vv_buf_printf(out, "%s\t", s->name);
            vv_text_escape(out,
                           vv_span(value != NULL ? value : "", value != NULL ? strlen(value) : 0));
            vv_buf_put_text(out, "\n");
        }
    }
    return vv_buf_check(out, &app->err);
}

/* ---- snapshots ---- */

/** A repository on this host that a key file opens, or VV_EREFUSED: whatever else opens it takes long, or asks
 *  somebody. */
static enum vv_rc
find_repository(struct app *app)
{
    struct global_options *g = &app->global;
    const struct settings_section *section = NULL;
    const char *address;

    VV_TRY(app_name_repository(app));
    VV_TRY(settings_input_repository(app, g->repository, &section, &app->err));
    address = section != NULL ? settings_get(section, "url") : g->repository;
    if (g->key_file == NULL && g->passphrase_file == NULL && g->passphrase_command == NULL) {
        g->key_file = getenv("VARVE_KEY_FILE");
    }
    if (address == NULL || strstr(address, "://") != NULL || g->key_file == NULL ||
        g->key_file[0] == '\0') {
        return vv_error_set(&app->err, VV_EREFUSED,
                            "no repository that can be looked into quietly");
    }
    return VV_OK;
}

static enum vv_rc
open_quietly(struct app *app)
{
    struct secret_ways ways = {0}; /* not the environment's */
    struct repo_options options = {.events = &app->messages.events};
    struct secret_value v = {0};
    struct slot_secret secret;
    enum vv_rc rc;

    VV_TRY(find_repository(app));
    VV_TRY(app_open_storage(app));
    VV_TRY(app_expect_repository(app));
    options.keys = app->keys;
    ways.key_file = app->global.key_file;
    VV_TRY(secret_get(&ways, "", &app->messages, &v, &app->err));
    secret = secret_value_slot(&v);
    rc = repo_open(app->storage, &secret, &options, &app->repo, &app->err);
    secret_value_release(&v);
    return rc;
}

static void
put_snapshot(struct vv_buf *out, const struct snapshot *s)
{
    char id[RENDER_ID];
    char when[VV_TIME_TEXT];

    render_short_id(&s->id, id);
    vv_time_format(s->time, when);
    vv_buf_printf(out, "%s\t%s ", id, when);
    vv_text_escape(out, vv_span(s->body.host, strlen(s->body.host)));
    for (uint32_t i = 0; i < s->body.source_count; i++) {
        vv_buf_put_text(out, " ");
        vv_text_escape(out, vv_buf_span(&s->body.sources[i]));
    }
    vv_buf_put_text(out, "\n");
}

static enum vv_rc
list_snapshots(struct app *app, struct vv_buf *out)
{
    struct snapshot_list l = {0};

    VV_TRY(open_quietly(app));
    VV_TRY(snapshot_list_read(app->repo, &l, &app->err));
    if (l.count > 0) {
        vv_buf_put_text(out, "latest\tthe newest of this host\n");
    }
    for (size_t i = l.count; i-- > 0;) {
        if (l.snapshots[i].body.mode != SNAPSHOT_WAL) {
            put_snapshot(out, &l.snapshots[i]);
        }
    }
    snapshot_list_release(&l);
    return vv_buf_check(out, &app->err);
}

/* ---- either ---- */

/** Nobody who presses a key wants to read what is wrong, or to wait for it: silence, and an alarm without a
 *  handler, since that alone ends a process which hangs on a network's file system. */
static void
be_quiet(void)
{
    const char *given = getenv("VARVE_COMPLETION_TIMEOUT");
    unsigned long seconds = given != NULL ? strtoul(given, NULL, 10) : 0;
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (fd >= 0) {
        (void)dup2(fd, STDERR_FILENO);
        (void)close(fd);
    }
    (void)signal(SIGALRM, SIG_DFL);
    (void)alarm(seconds >= 1 && seconds <= SECONDS_ALLOWED ? (unsigned)seconds : SECONDS_AT_MOST);
}

void
completion_list_print(struct app *app, enum completion_list what, FILE *file)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf out = {0};
    enum vv_rc rc = VV_EUSAGE;

    be_quiet();
    switch (what) {
    case COMPLETION_REPOSITORIES:
        rc = list_sections(app, "repository", "url", &out);
        break;
    case COMPLETION_JOBS:
        rc = list_sections(app, "job", "repository", &out);
        break;
    case COMPLETION_SNAPSHOTS:
        rc = list_snapshots(app, &out);
        break;
    }
    if (rc == VV_OK) {
        fputs(vv_buf_text(&out), file);
    }
    /* Nothing that went wrong is this command's to report. */
    vv_error_clear(&app->err);
    app->messages.problems = 0;
}
