/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * simulate [--rounds N] [--seed S] [--jobs N] [--scratch N] [--verbose]
 *
 * Runs rounds of the simulation (world.h), each in a process of its own with the seed S, S+1, ...
 * The first round that fails is named with its seed and what to type to see it again; exit code 1.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/random.h"
#include "simulation/scratch.h"
#include "simulation/world.h"

enum { JOBS_MAX = 16, EXIT_SKIPPED = 77 };

struct job {
    pid_t pid;
    int out; /* its counters come through here */
    uint64_t seed;
};

static int
run_round(const char *base, struct storage *prepared, uint64_t seed, bool verbose, int out)
{
    static struct world w;

    source_remove(base);
    if (mkdir(base, 0700) != 0) {
        return 1;
    }
    w.verbose = verbose;
    world_round(&w, base, prepared, seed);
    source_remove(base);
    if (!w.failed && write(out, w.counters, sizeof(w.counters)) != sizeof(w.counters)) {
        return 1;
    }
    return w.failed ? 1 : 0;
}

static unsigned scratch;

static void
start(struct job *j, const char *top, struct storage *prepared, bool verbose)
{
    int ends[2];
    char base[96];

    /* paths are part of trees: the same seed gets the same one */
    (void)snprintf(base, sizeof(base), "%s/%02u", top, (unsigned)(j->seed % JOBS_MAX));
    if (pipe2(ends, O_CLOEXEC) != 0) {
        abort();
    }
    (void)fflush(NULL);
    j->pid = fork();
    if (j->pid < 0) {
        abort();
    }
    if (j->pid == 0) {
        int result = run_round(base, prepared, j->seed, verbose, ends[1]);
        (void)fflush(NULL);
        _exit(result);
    }
    (void)close(ends[1]);
    j->out = ends[0];
}

/** Wait for it; false: the round failed. */
static bool
end(struct job *j, uint64_t totals[COUNTERS])
{
    uint64_t counters[COUNTERS];
    int status = 0;
    bool good = waitpid(j->pid, &status, 0) == j->pid && WIFEXITED(status) &&
                WEXITSTATUS(status) == 0 &&
                read(j->out, counters, sizeof(counters)) == sizeof(counters);

    (void)close(j->out);
    j->pid = 0;
    for (unsigned i = 0; good && i < COUNTERS; i++) {
        totals[i] += counters[i];
    }
    if (!good) {
        (void)fprintf(
            stderr,
            "round failed (%s %d); see it again with: simulate --rounds 1 --seed %llu --scratch %u "
            "--verbose\n",
            WIFSIGNALED(status) ? "signal" : "exit code",
            WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
            (unsigned long long)j->seed, scratch);
    }
    return good;
}

static uint64_t
number(int argc, char **argv, const char *name, uint64_t other)
{
    for (int i = 1; i + 1 < argc; i++) {
        if (strcmp(argv[i], name) == 0) {
            return strtoull(argv[i + 1], NULL, 10);
        }
    }
    return other;
}

int
main(int argc, char **argv)
{
    uint64_t rounds = number(argc, argv, "--rounds", 100);
    uint64_t seed = number(argc, argv, "--seed", 1);
    unsigned count = (unsigned)number(argc, argv, "--jobs", 2);
    bool verbose = strcmp(argv[argc - 1], "--verbose") == 0;
    uint64_t totals[COUNTERS] = {0};
    struct job jobs[JOBS_MAX] = {0};
    struct storage *prepared = NULL;
    struct vv_error err = {0};
    char top[64];
    bool good = true;

    if (!fibers_usable()) {
        return EXIT_SKIPPED;
    }
    scratch = scratch_claim((unsigned)number(argc, argv, "--scratch", 0), top);
    count = count < 1 ? 1 : count > JOBS_MAX ? JOBS_MAX : count;
    vv_random_test_seed(1);
    fibers_seed(1);
    if (world_prepare(&prepared, &err) != VV_OK) {
        (void)fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    for (uint64_t i = 0; (i < rounds + count) && good; i++) {
        struct job *j = &jobs[i % count];
        if (j->pid != 0) {
            good = end(j, totals);
        }
        if (i < rounds && good) {
            j->seed = seed + i;
            start(j, top, prepared, verbose);
        }
    }
    for (unsigned i = 0; i < count; i++) {
        if (jobs[i].pid != 0) {
            good = end(&jobs[i], totals) && good;
        }
    }
    for (unsigned i = 0; i < COUNTERS; i++) {
        printf("%12llu %s\n", (unsigned long long)totals[i], counter_name((enum counter)i));
    }
    storage_free(prepared);
    (void)rmdir(top);
    return good ? 0 : 1;
}
