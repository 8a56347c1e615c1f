/* SPDX-License-Identifier: BSD-2-Clause */
/* varve parity add | drop | status: what heals damaged packs at this site. */
#include "commands.h"
#include "engine/parity_site.h"
#include "keyless.h"
#include "render.h"

static const struct option_spec specs[] = {OPTION_END};

static void
report_json(struct json *j, const struct parity_summary *s)
{
    json_put_bool(j, "decided", s->decided);
    json_put_bool(j, "on", s->on);
    json_put_u64(j, "packs", s->packs);
    json_put_u64(j, "packs_bytes", s->bytes);
    json_put_u64(j, "packs_with_parity", s->packs_with);
    json_put_u64(j, "parity_objects", s->objects);
    json_put_u64(j, "parity_bytes", s->parity_bytes);
    json_put_u64(j, "orphans", s->orphans);
    json_put_u64(j, "added", s->added);
    json_put_u64(j, "added_bytes", s->added_bytes);
    json_put_u64(j, "removed", s->removed);
    json_put_u64(j, "removed_bytes", s->removed_bytes);
    json_put_u64(j, "packs_damaged", s->packs_damaged);
}

static void
put_change(const char *what, uint64_t objects, uint64_t bytes)
{
    if (objects > 0) {
        printf("  %s ", what);
        render_count(objects, "object", "objects", stdout);
        printf(", ");
        render_size(bytes, stdout);
        printf("\n");
    }
}

static void
report(struct app *app, const struct parity_summary *s)
{
    printf("'");
    message_print(app->storage->url, stdout);
    printf("': parity is %s%s\n", s->on ? "on" : "off", s->decided ? "" : " (nobody has decided)");
    put_change("added", s->added, s->added_bytes);
    put_change("removed", s->removed, s->removed_bytes);
    printf("  %llu of ", (unsigned long long)s->packs_with);
    render_count(s->packs, "pack", "packs", stdout);
    printf(" can be healed; parity takes ");
    render_size(s->parity_bytes, stdout);
    printf(" beside ");
    render_size(s->bytes, stdout);
    printf(" of packs\n");
    if (s->packs_damaged > 0) {
        printf("  ");
        render_count(s->packs_damaged, "pack is damaged", "packs are damaged", stdout);
        printf(" (named above) and got none: 'varve repair' may help\n");
    }
}

enum verb { VERB_ADD, VERB_DROP, VERB_STATUS };

static enum vv_rc
work(struct app *app, enum verb verb, struct parity_summary *ret)
{
    static const char *const phases[] = {"adding parity"};
    struct vv_progress *progress;
    enum vv_rc rc;

    VV_TRY(app_open_keyless(app));
    switch (verb) {
    case VERB_ADD:
        progress = app_progress(app, phases, VV_COUNT(phases));
        rc = parity_site_add(app->repo, progress, ret, &app->err);
        progress_stop(&app->progress);
        return rc;
    case VERB_DROP:
        return parity_site_drop(app->repo, ret, &app->err);
    case VERB_STATUS:
        break;
    }
    return parity_site_status(app->repo, ret, &app->err);
}

static enum exit_code
run(struct app *app, int argc, char **argv, enum verb verb)
{
    struct parity_summary s = {0};
    struct arguments args = {0};
    enum exit_code code = EXIT_DONE;
    char none = 0;
    enum vv_rc rc;

    if (!app_arguments(app, &none, argc, argv, 0, 0, &args)) {
        return app_finish(app, app->err.rc, EXIT_DONE);
    }
    arguments_release(&args);
    rc = work(app, verb, &s);
    if (rc == VV_OK) {
        struct json *j = app_json(app);
        code = s.packs_damaged > 0 ? EXIT_CORRUPT : EXIT_DONE;
        if (j != NULL) {
            report_json(j, &s);
        } else if (!app->global.quiet || code != EXIT_DONE || verb == VERB_STATUS) {
            report(app, &s);
        }
    }
    return app_finish(app, rc, code);
}

static enum exit_code
run_add(struct app *app, int argc, char **argv)
{
    return run(app, argc, argv, VERB_ADD);
}

static enum exit_code
run_drop(struct app *app, int argc, char **argv)
{
    return run(app, argc, argv, VERB_DROP);
}

static enum exit_code
run_status(struct app *app, int argc, char **argv)
{
    return run(app, argc, argv, VERB_STATUS);
}

static const struct command add = {
    .name = "add",
    .arguments = "",
    .summary = "keep parity here, also of the packs that have none",
    .specs = specs,
    .run = run_add,
};
static const struct command drop = {
    .name = "drop",
    .arguments = "",
    .summary = "keep none, and delete what there is",
    .specs = specs,
    .run = run_drop,
};
static const struct command status = {
    .name = "status",
    .arguments = "",
    .summary = "say how many packs can be healed, and what that takes",
    .specs = specs,
    .run = run_status,
};

static const struct command *const subcommands[] = {&add, &drop, &status, NULL};

const struct command cmd_parity = {
    .name = "parity",
    .arguments = "COMMAND",
    .summary = "add, drop and tell about what heals damaged packs at this site",
    .subcommands = subcommands,
};
