/* SPDX-License-Identifier: BSD-2-Clause */
/* varve forget [--keep-...]... [SNAP...]: hide snapshots; prune removes them when their grace is
 * over. */
#include <stdlib.h>

#include "commands.h"
#include "duration.h"
#include "forget_report.h"
#include "log_results.h"
#include "retention_options.h"
#include "snapshot_arguments.h"

struct forget_command_line {
    struct retention_options policy;
    const char *host;
    const char *tag;
    const char *grace;
    const char *most;
    bool dry_run;
};

#define AT(member) offsetof(struct forget_command_line, member)
#define KEEP(rule) offsetof(struct forget_command_line, policy.keep[rule])
static const struct option_spec specs[] = {
    {"keep-last", '\0', OPTION_TEXT, KEEP(RETENTION_LAST), "N", "keep the newest N", NULL},
    {"keep-minutely", '\0', OPTION_TEXT, KEEP(RETENTION_MINUTELY), "N",
     "keep the newest of each of the last N minutes that have any", NULL},
    {"keep-hourly", '\0', OPTION_TEXT, KEEP(RETENTION_HOURLY), "N", "the same for hours", NULL},
    {"keep-daily", '\0', OPTION_TEXT, KEEP(RETENTION_DAILY), "N", "the same for days", NULL},
    {"keep-weekly", '\0', OPTION_TEXT, KEEP(RETENTION_WEEKLY), "N",
     "the same for weeks, which begin on Monday", NULL},
    {"keep-monthly", '\0', OPTION_TEXT, KEEP(RETENTION_MONTHLY), "N", "the same for months", NULL},
    {"keep-yearly", '\0', OPTION_TEXT, KEEP(RETENTION_YEARLY), "N", "the same for years", NULL},
    {"keep-within", '\0', OPTION_TEXT, AT(policy.within), "DURATION",
     "keep all that are at most this much older than the newest (36h, 30d, 1y6w)", NULL},
    {"keep-tag", '\0', OPTION_LIST, AT(policy.tags), "TAG", "keep all with this tag", NULL},
    {"keep-wal-days", '\0', OPTION_NUMBER, AT(policy.wal_days), "N",
     "keep WAL, and the base backup before it, for any moment of the last N days only (default: "
     "for "
     "all base backups that are kept)",
     NULL},
    {"group-by", '\0', OPTION_TEXT, AT(policy.group_by), "LIST",
     "what snapshots of a group have in common: host, paths, tags, or none (default: host,paths)",
     NULL},
    {"host", '\0', OPTION_TEXT, AT(host), "HOST", "look only at those of this host", NULL},
    {"tag", '\0', OPTION_TEXT, AT(tag), "TAG", "look only at those with this tag", NULL},
    {"grace", '\0', OPTION_TEXT, AT(grace), "DURATION",
     "how long undelete can bring them back at least (default: 7d)", NULL},
    {"max-loss", '\0', OPTION_TEXT, AT(most), "PERCENT",
     "forget no more than this share of those looked at (default: 50)", NULL},
    {"dry-run", 'n', OPTION_FLAG, AT(dry_run), NULL, "only tell what is kept, and why", NULL},
    OPTION_END,
};

/** All that is not about single snapshots. */
static enum vv_rc
read_numbers(struct app *app, const struct forget_command_line *o, struct forget_options *ret)
{
    ret->grace = FORGET_GRACE;
    ret->most_percent = FORGET_MOST_PERCENT;
    if (o->grace != NULL && !duration_parse(o->grace, &ret->grace)) {
        return app_usage(app, "option '--grace': '%s' is no duration such as 36h, 7d or 0",
                         o->grace);
    }
    if (o->most != NULL) {
        char *end = NULL;
        unsigned long n = o->most[0] >= '0' && o->most[0] <= '9' ? strtoul(o->most, &end, 10) : 101;
        if (n > 100 || (end != NULL && *end != '\0')) {
            return app_usage(app, "option '--max-loss': '%s' is not 0 to 100", o->most);
        }
        ret->most_percent = (unsigned)n;
    }
    ret->dry_run = o->dry_run;
    return VV_OK;
}

/** Either snapshots are named, or there is a policy. */
static enum vv_rc
check_way(struct app *app, const struct forget_command_line *o, const struct arguments *args,
          const struct retention_policy *policy)
{
    if (args->count == 0) {
        return retention_policy_empty(policy)
                   ? app_usage(app,
                               "what is to be kept? give --keep-... options, or name snapshots")
                   : VV_OK;
    }
    if (!retention_policy_empty(policy) || policy->wal_within != 0 || o->host != NULL ||
        o->tag != NULL || o->policy.group_by != NULL) {
        return app_usage(app, "either snapshots are named, or chosen by options");
    }
    return VV_OK;
}

static enum vv_rc
report(struct app *app, const struct snapshot_list *l, const struct forget_summary *s, bool dry_run)
{
    struct json *j = app_json(app);

    if (!dry_run) {
        log_forget(app, s);
    }
    if (j != NULL) {
        forget_report_json(j, l, s, dry_run);
        return VV_OK;
    }
    if (dry_run || app->global.verbose > 0) {
        VV_TRY(forget_report_table(app, l, s));
    }
    if (!app->global.quiet || dry_run) {
        forget_report_summary(s, dry_run);
    }
    return VV_OK;
}

static enum vv_rc
forget(struct app *app, const struct forget_command_line *o, const struct arguments *args,
       const struct retention_policy *policy, enum exit_code *ret_code)
{
    const struct retention_filter filter = {.host = o->host, .tag = o->tag};
    struct forget_options options = {.policy = policy, .filter = &filter};
    struct snapshot_arguments named = {0};
    struct forget_summary s = {0};
    struct snapshot_list l = {0};
    enum vv_rc rc;

    VV_TRY(read_numbers(app, o, &options));
    VV_TRY(app_open(app, APP_ADMIN));
    VV_TRY(app_snapshots(app, &l));
    rc = snapshot_arguments_resolve(app, args->items, args->count, AMONG_SNAPSHOTS, &l, &named);
    if (rc == VV_OK) {
        options.snapshots = args->count > 0 ? named.items : NULL;
        options.snapshot_count = named.count;
        rc = forget_run(app->repo, &l, &options, &s, &app->err);
    }
    if (rc == VV_OK || (rc == VV_EREFUSED && s.judged.verdicts != NULL && o->dry_run)) {
        enum vv_rc shown = report(app, &l, &s, o->dry_run);
        rc = rc == VV_OK ? shown : rc;
    }
    *ret_code = exit_code_worse(app_list_verdict(&l), s.marked > 0 ? EXIT_PROBLEMS : EXIT_DONE);
    forget_summary_release(&s);
    snapshot_arguments_release(&named);
    snapshot_list_release(&l);
    return rc;
}

static enum exit_code
run(struct app *app, int argc, char **argv)
{
    struct forget_command_line o = {0};
    struct retention_choice choice = {0};
    struct arguments args = {0};
    enum exit_code code = EXIT_DONE;
    enum vv_rc rc;

    if (!app_arguments(app, &o, argc, argv, 0, SIZE_MAX, &args)) {
        return app_finish(app, app->err.rc, EXIT_DONE);
    }
    rc = retention_options_read(app, &o.policy, &choice);
    if (rc == VV_OK) {
        rc = check_way(app, &o, &args, &choice.policy);
    }
    if (rc == VV_OK) {
        rc = forget(app, &o, &args, &choice.policy, &code);
    }
    retention_choice_release(&choice);
    option_list_release(&o.policy.tags);
    arguments_release(&args);
    return app_finish(app, rc, code);
}

const struct command cmd_forget = {
    .name = "forget",
    .arguments = "[SNAP...]",
    .summary = "hide snapshots that a policy does not keep, or that are named",
    .details =
        "Hidden snapshots stay stored, and 'varve undelete' brings them back, until their grace\n"
        "is over and 'varve prune' removes them.",
    .specs = specs,
    .run = run,
};
