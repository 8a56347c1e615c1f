/* SPDX-License-Identifier: BSD-2-Clause */
/* A round: its places, its chances, its course. */
#include "simulation/world.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/random.h"
#include "simulation/kernel.h"

#define HOUR_NS (UINT64_C(3600) * 1000000000)

static const char *const counter_names[COUNTERS] = {
    [COUNT_ROUNDS] = "rounds",
    [COUNT_PROCESSES] = "processes",
    [COUNT_KILLED] = "killed",
    [COUNT_FROZEN] = "stopped for up to three days",
    [COUNT_JUMPS] = "jumps of the clock",
    [COUNT_STORAGE_CALLS] = "storage calls",
    [COUNT_BACKUPS] = "backups",
    [COUNT_BACKUPS_COMMITTED] = "backups that reported success",
    [COUNT_PARENT_REUSED] = "backups that took files over from their parent",
    [COUNT_REFUSED] = "commits refused: fenced",
    [COUNT_REPLICATIONS] = "replications",
    [COUNT_SNAPSHOTS_COPIED] = "snapshots copied",
    [COUNT_PACKS_TAKEN_OVER] = "packs taken over by replications",
    [COUNT_READS] = "restores beside",
    [COUNT_FORGETS_STARTED] = "forgets begun",
    [COUNT_FORGETS] = "forgets that ended well",
    [COUNT_UNDELETES_STARTED] = "undeletes begun",
    [COUNT_UNDELETES] = "snapshots brought back",
    [COUNT_CARRIED_OUT] = "forgets carried out",
    [COUNT_PRUNES] = "prunes",
    [COUNT_PRUNES_LEFT] = "condemned lists left to the next prune",
    [COUNT_FENCES] = "sessions fenced",
    [COUNT_ADOPTIONS] = "condemned lists adopted",
    [COUNT_COPIED_OUT] = "chunks copied out",
    [COUNT_PACKS_DELETED] = "packs deleted",
    [COUNT_STALE] = "deleted packs that an index segment names at the end",
    [COUNT_CHECKED] = "snapshots restored at the end",
};

const char *
counter_name(enum counter c)
{
    return counter_names[c];
}

const struct slot_secret world_key = {
    .type = KEY_SLOT_KEY_FILE,
    .secret = {(const uint8_t *)"0123456789abcdef0123456789abcdef", 32},
};

/* --- the clock of everyone --------------------------------------------------------------------- */

static int64_t
clock_realtime(const struct vv_clock *c)
{
    (void)c;
    return fibers_realtime();
}

static uint64_t
clock_monotonic(const struct vv_clock *c)
{
    (void)c;
    return fibers_monotonic();
}

static void
clock_sleep(const struct vv_clock *c, uint64_t ns)
{
    (void)c;
    fibers_sleep(ns);
}

const struct vv_clock world_clock = {clock_realtime, clock_monotonic, clock_sleep};

/* --- words ------------------------------------------------------------------------------------- */

static void say(FILE *out, const char *format, va_list args) VV_PRINTF(2, 0);

static void
say(FILE *out, const char *format, va_list args)
{
    (void)fprintf(out, "%10.3f ", (double)fibers_monotonic() / 1e9);
    if (process_current() < PROCESSES_MAX) {
        (void)fprintf(out, "process %-2u ", process_current());
    }
    (void)vfprintf(out, format, args);
    (void)fputc('\n', out);
}

void
world_say(const struct world *w, const char *format, ...)
{
    va_list args;

    if (w->verbose) {
        va_start(args, format);
        say(stdout, format, args);
        va_end(args);
    }
}

void
world_fail(struct world *w, const char *format, ...)
{
    va_list args;

    w->failed = true;
    va_start(args, format);
    say(stderr, format, args);
    va_end(args);
}

void
world_hear(struct world *w, const struct vv_event *event)
{
    world_say(w, "  %s: %s", event->name, event->text);
    if (event->kind == VV_EVENT_PROBLEM) {
        world_fail(w, "a false alarm: %s: %s", event->name, event->text);
    }
}

/* --- the course -------------------------------------------------------------------------------- */

enum vv_rc
world_prepare(struct storage **ret, struct vv_error *err)
{
    struct repo_init_options init = {.secret = &world_key, .label = "simulation"};
    struct storage *s = NULL;
    struct repo *r = NULL;

    VV_TRY(storage_memory_new(&s, err));
    VV_TRY(repo_init(s, &init, &(struct repo_options){.clock = &world_clock}, &r, err));
    repo_free(r);
    *ret = s;
    return VV_OK;
}

static bool
between(void *arg)
{
    struct world *w = arg;
    unsigned live = fibers_live();

    if (w->failed) {
        return false;
    }
    fibers_advance(1000000 + fibers_below(50000000));
    if (w->remaining > 0 && (live == 0 || (live < w->live_max && fibers_chance(1, 60)))) {
        w->remaining--;
        action_start(w);
    }
    if (fibers_chance(w->jump_per_mille, 1000)) {
        w->counters[COUNT_JUMPS]++;
        fibers_advance(HOUR_NS + fibers_below(72 * HOUR_NS));
    }
    return fibers_live() > 0 || w->remaining > 0;
}

static bool
until_ended(void *arg)
{
    struct world *w = arg;

    return !w->failed && fibers_live() > 0;
}

static void
begin(struct world *w, const char *base, struct storage *prepared)
{
    static const unsigned prefer[] = {0, 50, 90, 97};
    static const unsigned often[] = {0, 1, 1, 3};
    const struct timespec times[2] = {{.tv_sec = 1500000000}, {.tv_sec = 1500000000}};

    (void)snprintf(w->base, sizeof(w->base), "%s", base);
    for (unsigned i = 0; i < HOSTS; i++) {
        struct host *h = &w->hosts[i];
        (void)snprintf(h->source, sizeof(h->source), "%s/source%u", base, i);
        (void)snprintf(h->home, sizeof(h->home), "%s/home%u", base, i);
        if (mkdir(h->source, 0755) != 0 || mkdir(h->home, 0700) != 0 ||
            utimensat(AT_FDCWD, h->source, times, 0) != 0) {
            world_fail(w, "cannot make directories below '%s'", base);
        }
    }
    w->sites[0] = prepared;
    for (unsigned i = 1; i < SITES; i++) {
        if (storage_memory_new(&w->sites[i], NULL) != VV_OK) {
            abort();
        }
    }
    fibers_prefer(prefer[fibers_below(VV_COUNT(prefer))]);
    w->remaining = 6 + (unsigned)fibers_below(14);
    w->live_max = 2 + (unsigned)fibers_below(4);
    w->kill_per_mille = often[fibers_below(VV_COUNT(often))];
    w->freeze_per_mille = often[fibers_below(VV_COUNT(often))];
    w->jump_per_mille = often[fibers_below(VV_COUNT(often))];
}

void
world_round(struct world *w, const char *base, struct storage *prepared, uint64_t seed)
{
    fibers_reset();
    fibers_seed(seed);
    vv_random_test_seed(seed | 1);
    begin(w, base, prepared);
    kernel_begin(base);
    w->counters[COUNT_ROUNDS] = 1;
    if (!w->failed && !fibers_run(between, w)) {
        world_fail(w, "processes wait for ever");
    }
    if (!w->failed) {
        w->kill_per_mille = 0;
        w->freeze_per_mille = 0;
        check_start(w);
        if (!fibers_run(until_ended, w)) {
            world_fail(w, "the check waits for ever");
        }
    }
    kernel_end();
}
