/* SPDX-License-Identifier: BSD-2-Clause */
/* varve replicate --to REPO... | --from REPO: bring other sites of the repository up to date. */
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "core/alloc.h"
#include "engine/replicate.h"
#include "log_results.h"
#include "rate_option.h"
#include "render.h"
#include "replicate_report.h"
#include "run_notes.h"
#include "signals.h"
#include "snapshot_argument.h"

struct replicate_command_line {
    struct option_list to;
    struct option_list limits;
    const char *from;
    const char *share;
    const char *host;
    uint64_t reserve;
    unsigned threads;
    int verify_by;
    bool accept_shrunken;
    bool complete;
    bool keyless;
    bool check_append_only;
};
/* In the order of enum replicate_verify_by. */
static const char *const verify_by_choices[] = {"read-back", "digest", "auto", NULL};
static const struct option_spec specs[] = {
    {"to", '\0', OPTION_LIST, offsetof(struct replicate_command_line, to), "REPO",
     "bring this replica up to date; may be repeated", NULL},
    {"from", '\0', OPTION_TEXT, offsetof(struct replicate_command_line, from), "REPO",
     "bring the repository (-r) up to date from this one", NULL},
    {"limit", '\0', OPTION_LIST, offsetof(struct replicate_command_line, limits), "RATE",
     "bytes a second for all destinations together: 10M, 08:00-18:00=2M; may be repeated", NULL},
    {"verify-share", '\0', OPTION_TEXT, offsetof(struct replicate_command_line, share), "SHARE",
     "read back all, none, or this percentage (default: so that all is read in 30 days)", NULL},
    {"verify-by", '\0', OPTION_CHOICE, offsetof(struct replicate_command_line, verify_by), "WAY",
     "read-back, digest (computed by the site's host) or auto (default: read-back)",
     verify_by_choices},
    {"accept-shrunken-source", '\0', OPTION_FLAG,
     offsetof(struct replicate_command_line, accept_shrunken), NULL,
     "go on although the source has lost many snapshots", NULL},
    {"complete", '\0', OPTION_FLAG, offsetof(struct replicate_command_line, complete), NULL,
     "look again at all that snapshots need which are there already", NULL},
    {"keyless", '\0', OPTION_FLAG, offsetof(struct replicate_command_line, keyless), NULL,
     "use no key, even if one is given", NULL},
    {"check-append-only", '\0', OPTION_FLAG,
     offsetof(struct replicate_command_line, check_append_only), NULL,
     "only try whether what is stored there can be replaced or deleted", NULL},
    {"host", '\0', OPTION_TEXT, offsetof(struct replicate_command_line, host), "HOST",
     "whose 'latest' is meant (default: this host)", NULL},
    {"reserve", '\0', OPTION_SIZE, offsetof(struct replicate_command_line, reserve), "SIZE",
     "set this much space aside where a replica is made", NULL},
    {"threads", '\0', OPTION_NUMBER, offsetof(struct replicate_command_line, threads), "N",
     "packs in flight for each destination (default: as the storage says)", NULL},
    OPTION_END,
};

/** The destinations of a run, opened. */
struct targets {
    struct replicate_destination *items;
    size_t count;
};

static void
targets_release(struct targets *t)
{
    for (size_t i = 0; i < t->count; i++) {
        storage_free(t->items[i].storage);
    }
    vv_free(t->items);
}

static enum vv_rc
check_usage(struct app *app, const struct replicate_command_line *o, const struct arguments *args)
{
    if (o->from != NULL && o->to.count > 0) {
        return app_usage(app, "--to and --from exclude each other");
    }
    if (o->from == NULL && o->to.count == 0) {
        return app_usage(app, "either --to or --from is needed");
    }
    if (o->keyless && args->count > 0) {
        return app_usage(app, "choosing snapshots needs a key");
    }
    return VV_OK;
}

/** Whether both are known to be one place: under the same address, or as a directory that is there
 *  under two names.  (Two names of one server cannot be told; two runs at once do no harm.) */
static bool
same_place(struct storage *a, struct storage *b)
{
    uint64_t device[2];
    uint64_t inode[2];

    if (strcmp(a->url, b->url) == 0) {
        return true;
    }
    return storage_local_identity(a, &device[0], &inode[0]) &&
           storage_local_identity(b, &device[1], &inode[1]) && device[0] == device[1] &&
           inode[0] == inode[1];
}

static enum vv_rc
add_target(struct app *app, struct targets *t, const char *url)
{
    VV_TRY(app_open_other_storage(app, url, &t->items[t->count].storage, &app->err));
    t->count++;
    for (size_t i = 0; i + 1 < t->count; i++) {
        if (same_place(t->items[i].storage, t->items[t->count - 1].storage)) {
            return app_usage(app, "'%s' is named twice", url);
        }
    }
    return VV_OK;
}

/** Storages of source and destinations: with --from, -r is the destination and app->storage becomes
 *  the other one. */
static enum vv_rc
open_targets(struct app *app, const struct replicate_command_line *o, struct targets *t)
{
    size_t wanted = o->from != NULL ? 1 : o->to.count;
    const char *here =
        app->global.repository != NULL ? app->global.repository : getenv("VARVE_REPO");

    t->items = vv_alloc_array(wanted, sizeof(*t->items));
    if (t->items == NULL) {
        return vv_error_nomem(&app->err);
    }
    if (o->from != NULL) {
        if (here == NULL || here[0] == '\0') {
            (void)vv_error_set(&app->err, VV_EUSAGE, "no repository was named");
            vv_error_hint(&app->err, "give -r REPO or set VARVE_REPO");
            return VV_EUSAGE;
        }
        VV_TRY(app_name_repository(app)); /* its key opens all its copies */
        app->global.repository = o->from;
        return add_target(app, t, here);
    }
    for (size_t i = 0; i < o->to.count; i++) {
        VV_TRY(add_target(app, t, o->to.uses[i].value));
    }
    return VV_OK;
}

static enum vv_rc
open_source(struct app *app, const struct replicate_command_line *o)
{
    struct repo_options options;
    struct secret_ways ways;

    VV_TRY(app_name_repository(app));
    ways = app_secret_ways(app);
    if (!o->keyless && secret_given(&ways)) {
        return app_open(app, APP_READ);
    }
    VV_TRY(app_open_storage(app));
    VV_TRY(app_repo_options(app, APP_READ, &options));
    VV_TRY(repo_open_keyless(app->storage, &options, &app->repo, &app->err));
    if (!app->global.quiet) {
        messages_say(&app->messages, "without a key: all packs are copied, then all snapshots "
                                     "become visible at once; contents are not looked at");
    }
    return VV_OK;
}

static enum vv_rc
parse_share(struct app *app, const char *text, struct replicate_options *ret)
{
    char *end = NULL;
    double percent;

    if (text == NULL) {
        ret->share = REPLICATE_SHARE_MONTH;
    } else if (strcmp(text, "all") == 0) {
        ret->share = REPLICATE_SHARE_ALL;
    } else if (strcmp(text, "none") == 0) {
        ret->share = REPLICATE_SHARE_PART;
    } else {
        percent = strtod(text, &end);
        if (end == text || (strcmp(end, "") != 0 && strcmp(end, "%") != 0) ||
            !(percent >= 0 && percent <= 100)) {
            return app_usage(app, "'%s' is no share: all, none, or 0 to 100 percent", text);
        }
        ret->share = REPLICATE_SHARE_PART;
        ret->part = percent / 100;
    }
    return VV_OK;
}

static enum vv_rc
parse_limits(struct app *app, const struct option_list *l, struct replicate_options *ret)
{
    struct replicate_rate *rates = vv_alloc_array(l->count + 1, sizeof(*rates));
    enum vv_rc rc = rates == NULL ? vv_error_nomem(&app->err) : VV_OK;

    for (size_t i = 0; i < l->count && rc == VV_OK; i++) {
        rc = rate_option_parse(l->uses[i].value, &rates[i], &app->err);
    }
    if (rc != VV_OK) {
        vv_free(rates);
        return rc;
    }
    ret->rates = rates;
    ret->rate_count = l->count;
    return VV_OK;
}

/** The snapshots named by arguments; none: all. */
static enum vv_rc
choose(struct app *app, const struct arguments *args, const char *host,
       const struct snapshot_list *l, struct replicate_options *ret)
{
    struct vv_uuid *ids;
    enum vv_rc rc = VV_OK;

    if (args->count == 0) {
        return VV_OK;
    }
    ids = vv_alloc_array(args->count, sizeof(*ids));
    if (ids == NULL) {
        return vv_error_nomem(&app->err);
    }
    for (size_t i = 0; i < args->count && rc == VV_OK; i++) {
        struct snapshot_path p = {0};
        const struct snapshot *s = NULL;
        rc = snapshot_path_parse(args->items[i], &p, &app->err);
        if (rc == VV_OK && p.path_given) {
            rc = app_usage(app, "'%s': whole snapshots are copied", args->items[i]);
        }
        if (rc == VV_OK) {
            rc = snapshot_argument_resolve(app, l, &p, host, &s);
        }
        if (rc == VV_OK) {
            ids[i] = s->id;
        }
        snapshot_path_release(&p);
    }
    ret->snapshots = ids;
    ret->snapshot_count = args->count;
    return rc;
}

/** With a key: what the list of snapshots says about the source, and which ones are meant. */
static enum vv_rc
look_at_source(struct app *app, const struct replicate_command_line *o,
               const struct arguments *args, struct replicate_options *ret,
               enum exit_code *ret_code)
{
    struct snapshot_list l = {0};
    enum vv_rc rc;

    if (repo_is_keyless(app->repo)) {
        if (args->count > 0) {
            return app_usage(app, "choosing snapshots needs a key");
        }
        return app->global.expect_head == NULL && !app->global.accept_head
                   ? VV_OK
                   : app_usage(app, "--expect-head and --accept-head need a key");
    }
    VV_TRY(app_snapshots(app, &l));
    *ret_code = exit_code_worse(*ret_code, app_list_verdict(&l));
    rc = choose(app, args, o->host, &l, ret);
    snapshot_list_release(&l);
    return rc;
}

/** For 'varve runs' and 'varve status', by the names that were given. */
static void
note_in_history(struct app *app, const struct replicate_command_line *o, size_t i,
                const struct replicate_destination *d, enum exit_code code)
{
    const struct history_event e = {
        .kind = HISTORY_REPLICATION,
        .other = o->from == NULL && i < o->to.count ? o->to.uses[i].value : d->storage->url,
        .exit_code = (int)code,
        .milliseconds = (int64_t)(d->summary.duration_ns / 1000000),
        .bytes = (int64_t)d->summary.bytes_copied,
        .text = d->rc != VV_OK ? d->err.message : NULL};

    run_notes_event(app, &e);
}

/** Errors, remembering, and what is printed; the worst of all destinations is the exit code. */
static void
conclude(struct app *app, const struct replicate_command_line *o, const struct targets *t,
         enum exit_code *ret_code)
{
    struct local_state *state = repo_state(app->repo);
    struct json *j = app_json(app);
    struct vv_error why = {0};

    if (j != NULL) {
        json_put_bool(j, "keyless", repo_is_keyless(app->repo));
        json_put_array(j, "destinations");
    }
    for (size_t i = 0; i < t->count; i++) {
        struct replicate_destination *d = &t->items[i];
        enum exit_code code = replicate_verdict(d);
        const char *other = o->from != NULL ? app->storage->url : d->storage->url;
        *ret_code = exit_code_worse(*ret_code, code);
        if (d->rc == VV_OK && state != NULL &&
            local_state_add_replica(state, other, &why) != VV_OK) {
            messages_warning(&app->messages, "state-unusable", "%s", why.message);
        }
        if (d->rc == VV_ENOSPACE && d->err.hint[0] == '\0' && d->err.origin != VV_ORIGIN_LOCAL) {
            vv_error_hint(&d->err,
                          "nothing is lost, and the next replication goes on with what is "
                          "there; 'varve forget' and 'varve prune' of that repository make "
                          "room, or a larger disk there");
        }
        if (d->rc != VV_OK) {
            (void)vv_error_prefix(&d->err, "'%s'", d->storage->url);
            messages_error(&app->messages, &d->err);
        }
        note_in_history(app, o, i, d, code);
        log_replicate(app, d);
        if (j != NULL) {
            replicate_report_json(j, d);
        } else if (!app->global.quiet || code != EXIT_DONE) {
            replicate_report(d, stdout);
        }
    }
    if (j != NULL) {
        json_put_end(j);
    }
}

static enum vv_rc
replicate(struct app *app, const struct replicate_command_line *o, const struct arguments *args,
          struct targets *t, enum exit_code *ret_code)
{
    static const char *const phases[] = {"looking", "copying", "reading back", "done"};
    struct replicate_options options = {.accept_shrunken = o->accept_shrunken,
                                        .complete = o->complete,
                                        .verify_by = (enum replicate_verify_by)o->verify_by,
                                        .reserve = o->reserve,
                                        .threads = o->threads};
    struct repo_options opening;
    enum vv_rc rc;

    VV_TRY(parse_share(app, o->share, &options));
    VV_TRY(open_targets(app, o, t));
    VV_TRY(open_source(app, o));
    VV_TRY(app_repo_options(app, APP_READ, &opening));
    VV_TRY(parse_limits(app, &o->limits, &options));
    rc = look_at_source(app, o, args, &options, ret_code);
    if (rc == VV_OK) {
        struct vv_progress *progress = app_progress(app, phases, VV_COUNT(phases));
        rc = replicate_run(app->repo, t->items, t->count, &opening, &options, progress, &app->err);
        progress_stop(&app->progress);
    }
    if (rc == VV_OK) {
        conclude(app, o, t, ret_code);
    }
    vv_free((void *)(uintptr_t)options.rates);
    vv_free((void *)(uintptr_t)options.snapshots);
    return rc;
}

/** The other job: what does this account let one do to stored objects? */
static enum vv_rc
check_append_only(struct app *app, const struct replicate_command_line *o, struct targets *t,
                  enum exit_code *ret_code)
{
    struct json *j;

    if (o->from != NULL) {
        return app_usage(app, "--check-append-only is about destinations: --to");
    }
    VV_TRY(open_targets(app, o, t));
    j = app_json(app);
    if (j != NULL) {
        json_put_array(j, "destinations");
    }
    for (size_t i = 0; i < t->count; i++) {
        const char *url = t->items[i].storage->url;
        struct append_only_proof proof = {0};
        bool holds;
        VV_TRY(replicate_check_append_only(t->items[i].storage, &proof, &app->err));
        holds = !proof.overwritten && !proof.removed;
        *ret_code = holds ? *ret_code : exit_code_worse(*ret_code, EXIT_PROBLEMS);
        if (j != NULL) {
            json_put_object(j, NULL);
            json_put_text(j, "repository", url);
            json_put_bool(j, "append_only", holds);
            json_put_bool(j, "overwritten", proof.overwritten);
            json_put_bool(j, "removed", proof.removed);
            json_put_text(j, "canary", proof.name);
            json_put_end(j);
            continue;
        }
        printf("'");
        message_print(url, stdout);
        printf("': a new object %s be overwritten, and %s be deleted by varve with this account\n",
               proof.overwritten ? "CAN" : "cannot", proof.removed ? "CAN" : "cannot");
    }
    if (j != NULL) {
        json_put_end(j);
    }
    return VV_OK;
}

static enum exit_code
run(struct app *app, int argc, char **argv)
{
    struct replicate_command_line o = {0};
    struct arguments args = {0};
    struct targets t = {0};
    enum exit_code code = EXIT_DONE;
    enum vv_rc rc;

    if (!app_arguments(app, &o, argc, argv, 0, SIZE_MAX, &args)) {
        option_list_release(&o.to);
        option_list_release(&o.limits);
        return app_finish(app, app->err.rc, EXIT_DONE);
    }
    rc = check_usage(app, &o, &args);
    if (rc == VV_OK) {
        rc = o.check_append_only ? check_append_only(app, &o, &t, &code)
                                 : replicate(app, &o, &args, &t, &code);
    }
    code = app_finish(app, rc, code);
    repo_free(TAKE(app->repo));
    targets_release(&t);
    arguments_release(&args);
    option_list_release(&o.to);
    option_list_release(&o.limits);
    return code;
}

const struct command cmd_replicate = {
    .name = "replicate",
    .arguments = "[SNAP...]",
    .summary = "bring other sites of the repository up to date",
    .details = "With --to, copies from the repository (-r) to each of these places; an empty one\n"
               "becomes a replica.  With --from, copies from that place to the repository, which\n"
               "brings back what it has lost.  Nothing is deleted anywhere.",
    .specs = specs,
    .run = run,
};
