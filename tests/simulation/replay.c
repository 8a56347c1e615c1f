/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * replay DIRECTORY: follow every trace of tests/models/traces with the real code.
 *
 * A mutant's trace is how the model loses data without one rule.  The code has the rule: it must leave
 * the trace at the step written here, and everything must restore afterwards.  The traces of the model
 * as it is ("example-") are followed to their ends, which shows that the code can follow at all.
 */
#include "simulation/replay.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/random.h"
#include "engine/restore.h"
#include "simulation/kernel.h"
#include "simulation/scratch.h"

/** Where the code leaves a trace. */
struct expected {
    const char *trace;
    const char *step;    /* of the trace, that the code does not take; NULL: it takes all */
    const char *instead; /* what it does */
};
static const struct expected expectations[] = {
    {"registering-first", "W2 read condemned", "W1 register"},
    {"lists-before-listing", "W3 read index", "W2 read condemned"},
    {"suspects", "W4 list packs, found", "W5 publish pack"},
    {"listing", "session 1: W6 commit", "W5 publish pack"},
    {"fresh-name", "W5 publish pack 1", "under a new name"},
    {"record-of-instance", "W5 publish no index", "W5 publish index"},
    {"exclusive-slot", "W6 commit", "W6 refused"},
    {"own-slot", "W6 commit", "W6 refused"},
    {"reading-graves", "W7 report success", "W7 read graves"},
    {"no-list-pending", "session 1: W6 commit", "W5 publish pack"},
    {"parent-after-registering", "W8 see parent", "W1 register"},
    {"copy-read", "P5 claim", "P4 copy out"},
    {"waiting", "P4 mark again", "P3 list open sessions"},
    {"marking-again", "P4 read condemned again", "P4 mark again"},
    {"copy-listed", "P5 claim", "P4 copy out"},
    {"fresh-copy", "P4 copy out", "under a new name"},
    {"late-retiring", "P7 retire", "P5 read index"},
    {"grave", "P7 delete slot 0", "P7 bury"},
    {"exclusive-end", "undelete first", "refused"},
    /* the same steps: what they do to other instances of a pack differs, and nothing is lost */
    {"instances-in-merging", NULL, NULL},
    {"instances-in-deleting", NULL, NULL},
    {"example-copy-out", NULL, NULL},
    {"example-fence", NULL, NULL},
    {"example-replica", NULL, NULL},
};

enum { LINES_MAX = 128, EXIT_SKIPPED = 77 };

struct trace {
    char lines[LINES_MAX][STEP_TEXT + 32];
    unsigned count;
    bool is_replica;
    bool is_rotten;
};

static const char *directory;
static char scratch[64];

static bool
has_line(const struct trace *t, const char *text)
{
    for (unsigned i = 0; i < t->count; i++) {
        if (strstr(t->lines[i], text) != NULL) {
            return true;
        }
    }
    return false;
}

static bool
read_trace(const char *name, struct trace *t)
{
    char path[4096];
    char line[256];
    FILE *in;

    memset(t, 0, sizeof(*t));
    (void)snprintf(path, sizeof(path), "%s/%s.trace", directory, name);
    in = fopen(path, "r");
    while (in != NULL && fgets(line, sizeof(line), in) != NULL && t->count < LINES_MAX) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '#') {
            t->is_replica = t->is_replica || strstr(line, "REPLICATIONS=1") != NULL;
            t->is_rotten = t->is_rotten || strstr(line, "ROTTEN") != NULL;
        } else {
            (void)snprintf(t->lines[t->count++], sizeof(t->lines[0]), "%.90s", line);
        }
    }
    if (in != NULL) {
        (void)fclose(in);
    }
    return t->count > 0;
}

/* --- running ----------------------------------------------------------------------------------- */

static bool
until_all_ended(void *arg)
{
    const struct replay *r = arg;

    return !r->world.failed && fibers_live() > 0;
}

/** A process that runs to its end while all others wait. */
static void
run_alone(struct replay *r, void (*main)(void *arg), void *arg)
{
    unsigned p = process_start(main, arg);

    while (!process_ended(p) && !r->world.failed) {
        if (!fibers_run_one(p)) {
            world_fail(&r->world, "a process waits for ever");
        }
    }
}

/** Let it run until it is before a step, or ends. */
static void
advance(struct actor *a)
{
    a->pending[0] = '\0';
    fibers_hold(a->process, false);
    while (a->pending[0] == '\0' && !process_ended(a->process)) {
        if (!fibers_run_one(a->process)) {
            world_fail(&a->replay->world, "%s waits for ever", a->pending);
            return;
        }
    }
}

/* --- comparing --------------------------------------------------------------------------------- */

static bool
begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/** Steps of the model that are no storage calls of the code. */
static bool
is_silent(const char *step)
{
    return begins(step, "P2 choose") || begins(step, "P2 adopt") || begins(step, "P3 resolved") ||
           begins(step, "P5 fenced");
}

/** Steps the code may spare: it has nothing to write, or knows already. */
static bool
may_be_missing(const char *step)
{
    return begins(step, "P4 publish index") || begins(step, "P5 read index") ||
           begins(step, "P5 publish index") || begins(step, "P5 drop") ||
           begins(step, "W8 reuse parent") || begins(step, "W4 list packs, missing") ||
           begins(step, "P7 bury");
}

/** Steps of the code that are none of the model's (what it reads to find its parent's tree, or what
 *  another pack than the model's needs). */
static bool
may_be_passed(const struct actor *a, const char *pending, const char *step)
{
    if (begins(pending, "P2 survey") || begins(pending, "P3 look")) {
        return true;
    }
    if (begins(pending, "W8 reuse") || begins(pending, "P7 bury")) {
        return !begins(step, "P7 delete slot");
    }
    if (begins(pending, "P5 read") || begins(pending, "P5 publish") || begins(pending, "P5 drop") ||
        begins(pending, "P4 publish") || begins(pending, "P4 read")) {
        return begins(step, "P4") || begins(step, "P5") || begins(step, "P6");
    }
    return a->reuses && (begins(pending, "W3") || begins(pending, "W4"));
}

static bool
is_same(const char *pending, const char *step)
{
    size_t len = strlen(pending);

    return begins(step, pending) && (step[len] == '\0' || step[len] == ' ' || step[len] == ',');
}

/** The result of a step that has been taken; false: it is another one than the trace's. */
static bool
result_fits(struct actor *a, const char *step, char instead[256])
{
    if (begins(step, "W6 commit") && a->commit != VV_OK) {
        (void)snprintf(instead, 256, "W6 refused");
        return false;
    }
    if (begins(step, "W5 publish pack") || begins(step, "P4 copy out")) {
        struct pack_name *known =
            &a->replay->packs[strtoul(strrchr(step, ' '), NULL, 10) % PACK_SETS];
        static const struct pack_name none;
        if (pack_name_compare(known, &none) == 0) {
            *known = a->published;
        } else if (pack_name_compare(known, &a->published) != 0) {
            (void)snprintf(instead, 256, "%.15s under a new name", step);
            return false;
        }
    }
    if (begins(step, "W6 refused") && a->commit == VV_OK) {
        (void)snprintf(instead, 256, "W6 commit");
        return false;
    }
    return true;
}

/** One step of an actor; false: the code does something else. */
static bool
take(struct actor *a, const char *step, char instead[256])
{
    if (begins(step, "P1 register") && a->started) { /* the next run of this prune */
        while (!process_ended(a->process)) {
            advance(a);
        }
        a->started = false;
    }
    if (!a->started) {
        actor_start(a);
        advance(a);
    }
    if (is_silent(step)) {
        while ((begins(step, "P2") && begins(a->pending, "P2 survey")) ||
               (begins(step, "P3") && begins(a->pending, "P3 look"))) {
            advance(a);
        }
        return true;
    }
    for (;;) {
        world_say(&a->replay->world, "  %u is before '%s', the trace is at '%s'", a->process,
                  process_ended(a->process) ? a->ended : a->pending, step);
        if (process_ended(a->process)) {
            if (may_be_missing(step)) {
                return true;
            }
            (void)snprintf(instead, 256, "ended: %.240s", a->ended);
            return false;
        }
        if (is_same(a->pending, begins(step, "W6 refused") ? "W6 commit" : step)) {
            advance(a);
            return result_fits(a, step, instead);
        }
        if (may_be_passed(a, a->pending, step)) {
            advance(a);
        } else if (may_be_missing(step)) {
            return true;
        } else {
            (void)snprintf(instead, 256, "%s", a->pending);
            return false;
        }
    }
}

/** A step of the administrator. */
static bool
administrate(struct replay *r, const char *step, char instead[256])
{
    struct forget_ending ending = {.replay = r, .outcome = FORGET_CARRIED_OUT};

    if (begins(step, "forget first")) {
        run_alone(r, r->forgets ? replay_forget_first : replay_bury_first, r);
    } else if (begins(step, "forget ")) {
        char name[] = "session 0";
        name[8] = step[7];
        run_alone(r, replay_bury_session, actor_find(r, name, false));
    } else if (begins(step, "carry out")) {
        run_alone(r, replay_end_forget, &ending);
    } else if (begins(step, "undelete")) {
        ending.outcome = FORGET_CANCELLED;
        run_alone(r, replay_end_forget, &ending);
    } else {
        (void)snprintf(instead, 256, "nobody knows how to %s", step);
        return false;
    }
    if (ending.rc != VV_OK) {
        (void)snprintf(instead, 256, "refused");
        return false;
    }
    return true;
}

static bool
follow(struct replay *r, const struct trace *t, unsigned *ret_line, char instead[256])
{
    for (unsigned i = 0; i < t->count && !r->world.failed; i++) {
        const char *colon = strstr(t->lines[i], ": ");
        char name[32];
        bool good;

        *ret_line = i;
        (void)snprintf(name, sizeof(name), "%.*s", (int)(colon - t->lines[i]), t->lines[i]);
        world_say(&r->world, "%s", t->lines[i]);
        if (strcmp(name, "administrator") == 0) {
            good = administrate(r, colon + 2, instead);
        } else {
            struct actor *a = actor_find(r, name, t->is_replica);
            char reuse[64];
            (void)snprintf(reuse, sizeof(reuse), "%s: W8", name);
            a->reuses = has_line(t, reuse);
            good = take(a, colon + 2, instead);
        }
        if (!good) {
            return false;
        }
    }
    return true;
}

/* --- afterwards -------------------------------------------------------------------------------- */

static void
let_go(struct replay *r)
{
    for (unsigned i = 0; i < r->actor_count; i++) {
        if (r->actors[i].started) {
            r->actors[i].let_go = true;
            fibers_hold(r->actors[i].process, false);
        }
    }
    if (!fibers_run(until_all_ended, r)) {
        world_fail(&r->world, "processes wait for ever");
    }
}

/** Whose sources are in a snapshot? */
static const struct host *
host_of(const struct replay *r, const struct snapshot *s)
{
    for (unsigned i = 0; i < HOSTS; i++) {
        const char *path = r->world.hosts[i].source + 1; /* kept without its first slash */
        for (uint32_t k = 0; k < s->body.source_count; k++) {
            const struct vv_buf *source = &s->body.sources[k];
            if (source->len >= strlen(path) &&
                memcmp(source->data + source->len - strlen(path), path, strlen(path)) == 0) {
                return &r->world.hosts[i];
            }
        }
    }
    return NULL;
}

/** Everything that is visible restores, and whoever reported success is visible. */
static void
check(void *arg)
{
    struct replay *r = arg;
    struct repo_options o = {.clock = &world_clock};
    struct snapshot_list l = {0};
    struct vv_error err = {0};
    struct repo *repo = NULL;

    if (repo_open(r->world.sites[0], &world_key, &o, &repo, &err) != VV_OK ||
        snapshot_list_read(repo, &l, &err) != VV_OK) {
        world_fail(&r->world, "%s", err.message);
    }
    for (size_t i = 0; i < l.count; i++) {
        char text[VV_UUID_TEXT];
        vv_uuid_text(&l.snapshots[i].id, text);
        const struct host *host = host_of(r, &l.snapshots[i]);
        if (host == NULL ||
            !check_restore(&r->world, repo, &l.snapshots[i], host->source, host->files)) {
            world_fail(&r->world, "snapshot %.8s does not restore", text);
        }
    }
    for (unsigned i = 0; i < r->actor_count; i++) {
        const struct actor *a = &r->actors[i];
        bool found = a->kind != ACTOR_SESSION || !a->reported || a->buried;
        for (size_t k = 0; k < l.count && !found; k++) {
            char text[VV_UUID_TEXT];
            vv_uuid_text(&l.snapshots[k].session, text);
            found = strcmp(text, a->session) == 0;
        }
        if (!found) {
            world_fail(&r->world, "session %u reported success and is not visible", a->number);
        }
    }
    snapshot_list_release(&l);
    repo_free(repo);
}

/* --- one trace --------------------------------------------------------------------------------- */

static void
begin(struct replay *r, const struct trace *t, const char *base)
{
    struct setup setup = {.replay = r, .is_replica = t->is_replica, .rotten = t->is_rotten};
    struct vv_error err = {0};

    vv_random_test_seed(1);
    fibers_seed(1);
    fibers_reset();
    source_remove(base);
    assert_int_equal(mkdir(base, 0700), 0);
    (void)snprintf(r->world.base, sizeof(r->world.base), "%s", base);
    r->world.verbose = getenv("VARVE_REPLAY_VERBOSE") != NULL;
    r->fences = has_line(t, "P3 fence");
    r->forgets = has_line(t, "undelete");
    setup.suspect = has_line(t, "W4");
    for (unsigned i = 0; i < HOSTS; i++) {
        struct host *h = &r->world.hosts[i];
        (void)snprintf(h->source, sizeof(h->source), "%s/source%u", base, i);
        (void)snprintf(h->home, sizeof(h->home), "%s/home%u", base, i);
        assert_int_equal(mkdir(h->source, 0755), 0);
        assert_int_equal(mkdir(h->home, 0700), 0);
    }
    if (world_prepare(&r->world.sites[0], &err) != VV_OK) {
        fail_msg("%s", err.message);
    }
    kernel_begin(base);
    run_alone(r, replay_setup, &setup);
}

static void
replay_one(const struct expected *e)
{
    static struct replay r;
    struct trace t;
    char base[80];
    char instead[256] = "";
    unsigned line = 0;
    bool followed;

    memset(&r, 0, sizeof(r));
    (void)snprintf(base, sizeof(base), "%s/replay", scratch);
    if (!read_trace(e->trace, &t)) {
        fail_msg("no trace '%s'", e->trace);
    }
    begin(&r, &t, base);
    followed = follow(&r, &t, &line, instead);
    let_go(&r);
    run_alone(&r, check, &r);
    kernel_end();
    source_remove(base);
    print_message("%-28s %s%s%s%s\n", e->trace, followed ? "followed to the end" : t.lines[line],
                  followed ? "" : " -> code: ", instead, r.world.failed ? "  AND LOST" : "");
    assert_false(r.world.failed);
    if (e->step == NULL) {
        assert_true(followed);
        return;
    }
    assert_false(followed);
    assert_non_null(strstr(t.lines[line], e->step));
    assert_non_null(strstr(instead, e->instead));
}

static void
traces__leave_the_code_where_the_mutant_omits_its_rule(void **state)
{
    (void)state;
    for (size_t i = 0; i < VV_COUNT(expectations); i++) {
        replay_one(&expectations[i]);
    }
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(traces__leave_the_code_where_the_mutant_omits_its_rule),
    };
    int failed;

    if (!fibers_usable()) {
        return EXIT_SKIPPED;
    }
    if (argc == 3) { /* one trace: say what the code does */
        struct expected one = {.trace = argv[2]};
        directory = argv[1];
        (void)scratch_claim(0, scratch);
        replay_one(&one);
        (void)rmdir(scratch);
        return 0;
    }
    if (argc != 2) {
        return 2;
    }
    directory = argv[1];
    (void)scratch_claim(0, scratch);
    failed = cmocka_run_group_tests_name("model/traces", tests, NULL, NULL);
    (void)rmdir(scratch);
    return failed;
}
