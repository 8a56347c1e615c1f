/* SPDX-License-Identifier: BSD-2-Clause */
/* varve scrub [--budget 5%|10GiB|30m] [--no-heal]: read objects and compare them with their hashes. */
#include "budget_option.h"
#include "commands.h"
#include "engine/scrub.h"
#include "keyless.h"
#include "render.h"

struct scrub_command_line {
    const char *budget;
    unsigned threads;
    bool no_heal;
};
static const struct option_spec specs[] = {
    {"budget", '\0', OPTION_TEXT, offsetof(struct scrub_command_line, budget), "AMOUNT",
     "read at most this: 5%, 10GiB, or for 30m (default: everything)", NULL},
    {"no-heal", '\0', OPTION_FLAG, offsetof(struct scrub_command_line, no_heal), NULL,
     "only look: heal no pack and make no parity", NULL},
    {"threads", '\0', OPTION_NUMBER, offsetof(struct scrub_command_line, threads), "N",
     "worker threads (default: by processors and storage)", NULL},
    OPTION_END,
};

static enum exit_code
verdict(const struct scrub_summary *s)
{
    return s->objects_unhealed > 0              ? EXIT_CORRUPT
           : s->objects_damaged > s->superseded ? EXIT_PROBLEMS
                                                : EXIT_DONE;
}

static void
report_json(struct json *j, const struct scrub_summary *s)
{
    json_put_u64(j, "objects", s->objects);
    json_put_u64(j, "bytes", s->bytes);
    json_put_u64(j, "objects_read", s->objects_read);
    json_put_u64(j, "bytes_read", s->bytes_read);
    json_put_u64(j, "packs", s->packs);
    json_put_u64(j, "packs_read", s->packs_read);
    json_put_u64(j, "objects_damaged", s->objects_damaged);
    json_put_u64(j, "packs_healed", s->packs_healed);
    json_put_u64(j, "superseded", s->superseded);
    json_put_u64(j, "packs_missing", s->packs_missing);
    json_put_u64(j, "objects_unhealed", s->objects_unhealed);
    json_put_u64(j, "parity_added", s->parity_added);
    json_put_u64(j, "parity_added_bytes", s->parity_added_bytes);
    json_put_u64(j, "never_read", s->never_read);
    if (s->oldest_read != 0) {
        json_put_time(j, "oldest_read", s->oldest_read);
    } else {
        json_put_null(j, "oldest_read");
    }
    json_put_real(j, "seconds", (double)s->duration_ns / 1e9);
}

static void
put_count(uint64_t n, const char *one, const char *many)
{
    if (n > 0) {
        printf("  ");
        render_count(n, one, many, stdout);
        printf("\n");
    }
}

static void
put_ages(const struct scrub_summary *s)
{
    char when[VV_TIME_TEXT];

    if (s->never_read > 0) {
        printf("  ");
        render_count(s->never_read, "object was", "objects were", stdout);
        printf(" never read by this host\n");
    }
    if (s->oldest_read != 0) {
        vv_time_format(s->oldest_read, when);
        printf("  %s was read since %s\n", s->never_read > 0 ? "all else" : "everything", when);
    }
}

static void
report(struct app *app, const struct scrub_summary *s, bool finished)
{
    const struct vv_clock *clock = vv_clock_system();
    char when[VV_TIME_TEXT];

    put_count(s->packs_healed, "pack was damaged and is healed",
              "packs were damaged and are healed");
    put_count(s->superseded, "damaged object has a good one beside it",
              "damaged objects have good ones beside them");
    put_count(s->parity_added, "pack was given parity", "packs were given parity");
    put_count(s->objects_unhealed, "object stays damaged (named above): 'varve repair'",
              "objects stay damaged (named above): 'varve repair'");
    put_ages(s);
    vv_time_format(clock->realtime(clock), when);
    printf("%s: ", !finished ? "not finished" : s->objects_unhealed > 0 ? "damaged" : "scrubbed");
    render_count(s->objects_read, "object", "objects", stdout);
    printf(" of %llu, ", (unsigned long long)s->objects);
    render_size(s->bytes_read, stdout);
    printf(" of ");
    render_size(s->bytes, stdout);
    printf(" read from '");
    message_print(app->storage->url, stdout);
    printf("' in ");
    render_duration(s->duration_ns, stdout);
    printf(", %s\n", when);
}

static enum vv_rc
scrub(struct app *app, const struct scrub_command_line *o, struct scrub_summary *ret)
{
    static const char *const phases[] = {"reading"};
    struct scrub_options options = {.threads = o->threads, .no_heal = o->no_heal};
    enum vv_rc rc;

    if (o->budget != NULL) {
        VV_TRY(budget_option_parse(o->budget, &options.budget, &app->err));
    }
    VV_TRY(app_open_keyless(app));
    rc =
        scrub_run(app->repo, &options, app_progress(app, phases, VV_COUNT(phases)), ret, &app->err);
    progress_stop(&app->progress);
    return rc;
}

static enum exit_code
run(struct app *app, int argc, char **argv)
{
    struct scrub_command_line o = {0};
    struct scrub_summary s = {0};
    struct arguments args = {0};
    enum exit_code code = EXIT_DONE;
    enum vv_rc rc;

    if (!app_arguments(app, &o, argc, argv, 0, 0, &args)) {
        return app_finish(app, app->err.rc, EXIT_DONE);
    }
    arguments_release(&args);
    rc = scrub(app, &o, &s);
    if (rc == VV_OK || s.objects_read > 0) {
        struct json *j = app_json(app);
        code = verdict(&s);
        if (j != NULL) {
            report_json(j, &s);
        } else if (!app->global.quiet || code != EXIT_DONE || rc != VV_OK) {
            report(app, &s, rc == VV_OK);
        }
    }
    return app_finish(app, rc, code);
}

const struct command cmd_scrub = {
    .name = "scrub",
    .arguments = "",
    .summary = "read what is stored, oldest first, and heal it",
    .details =
        "No key is needed.  Every object is compared with the hash in its name or at its end;\n"
        "damaged packs are computed from their parity and stored anew.",
    .specs = specs,
    .run = run,
};
