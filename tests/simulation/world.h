/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One round of the simulation: a few hosts with a source directory each, a few sites of one repository
 * over the memory storage, processes of the real engines between them, and at the end the question
 * whether everything that was committed and not forgotten restores.
 */
#ifndef VARVE_TESTS_WORLD_H
#define VARVE_TESTS_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "repo/repo.h"
#include "simulation/fibers.h"
#include "storage/storage.h"

enum { HOSTS = 3, SITES = 2, FILES = 5, CONTENTS = 10, RECORDS_MAX = PROCESSES_MAX };

/** What is counted over all rounds; names in world.c. */
enum counter {
    COUNT_ROUNDS,
    COUNT_PROCESSES,
    COUNT_KILLED,
    COUNT_FROZEN,
    COUNT_JUMPS, /* of the clock, by an hour to three days */
    COUNT_STORAGE_CALLS,
    COUNT_BACKUPS,
    COUNT_BACKUPS_COMMITTED,
    COUNT_PARENT_REUSED, /* without the index: W8 */
    COUNT_REFUSED,       /* fenced */
    COUNT_REPLICATIONS,
    COUNT_SNAPSHOTS_COPIED,
    COUNT_PACKS_TAKEN_OVER,
    COUNT_READS, /* restores beside the others */
    COUNT_FORGETS_STARTED,
    COUNT_FORGETS, /* that ended well */
    COUNT_UNDELETES_STARTED,
    COUNT_UNDELETES,
    COUNT_CARRIED_OUT,
    COUNT_PRUNES,
    COUNT_PRUNES_LEFT, /* lists that had to wait */
    COUNT_FENCES,
    COUNT_ADOPTIONS,
    COUNT_COPIED_OUT, /* chunks */
    COUNT_PACKS_DELETED,
    COUNT_STALE,
    COUNT_CHECKED, /* snapshots restored at the end */
    COUNTERS,
};
const char *counter_name(enum counter c);

struct content {
    unsigned number; /* seeds the noise */
    unsigned length;
};
struct host {
    char source[128];
    char home[128];              /* state and cache directories */
    struct content files[FILES]; /* number 0: absent */
    unsigned writers;            /* live backups: the source stays as it is */
};
/** What a backup stored, if it committed. */
struct record {
    struct content files[FILES];
    unsigned host;
    unsigned site;
    unsigned process;
    bool reported;         /* the run ended with exit code 0 */
    unsigned forgets;      /* that somebody began: it may be gone */
    unsigned undeleted_on; /* bit of the site where it was said to be back */
};
struct world {
    char base[96];
    struct host hosts[HOSTS];
    struct storage *sites[SITES]; /* memory */
    struct record records[RECORDS_MAX];
    unsigned record_count;
    unsigned remaining; /* processes that are still to be started */
    unsigned live_max;
    unsigned kill_per_mille;   /* at a storage call */
    unsigned freeze_per_mille; /* likewise */
    unsigned jump_per_mille;   /* of the clock, likewise */
    bool verbose;
    uint64_t counters[COUNTERS];
    bool failed;
};

/** The site's storage as one process sees it: every call is a point at which the scheduler chooses. */
MUST_CHECK struct storage *world_storage(struct world *w, unsigned site);
/** world_say(w, format, ...): a line for --verbose, with time and process. */
void world_say(const struct world *w, const char *format, ...) VV_PRINTF(2, 3);
/** world_fail(w, format, ...): what must hold does not. */
void world_fail(struct world *w, const char *format, ...) VV_PRINTF(2, 3);

/** world_hear(w, event): say what a run says.  Nobody takes anything away here, nor forges: an alarm that
 *  says so is a false one, and fails. */
void world_hear(struct world *w, const struct vv_event *event);

/** The key that opens the repository everywhere. */
extern const struct slot_secret world_key;
extern const struct vv_clock world_clock;

/** world_prepare(ret, err): a repository for world_begin; once, before any round. */
MUST_CHECK enum vv_rc world_prepare(struct storage **ret, struct vv_error *err);
/** world_round(w, base, prepared, seed): everything; w->failed says how it ended. */
void world_round(struct world *w, const char *base, struct storage *prepared, uint64_t seed);

/* host_files.c */
/** source_change(w, host): other files, if nobody reads them. */
void source_change(struct world *w, unsigned host);
/** source_set(w, host, files): exactly these (lengths follow from numbers), an hour old. */
void source_set(struct world *w, unsigned host, struct content files[FILES]);
/** source_matches(directory, files): false: ${directory} has something else; *ret_what says what. */
bool source_matches(const char *directory, const struct content *files, char ret_what[256]);
void source_remove(const char *directory);

/* actions.c: bodies of processes */
/** action_start(w): a process that does something. */
void action_start(struct world *w);

/* check.c */
/** check_start(w): a process that restores everything. */
void check_start(struct world *w);
struct snapshot; /* repo/snapshots.h */
/** check_record(w, s): of the backup that made it, whose tag is "run-N"; NULL: of nobody's. */
struct record *check_record(struct world *w, const struct snapshot *s);
/** check_snapshot(w, repo, snapshot, site): restore and compare it; true: it is whole. */
bool check_snapshot(struct world *w, struct repo *r, const struct snapshot *s, unsigned site);
/** check_restore(w, r, s, source, files): restore what a snapshot has of ${source} and compare. */
bool check_restore(struct world *w, struct repo *r, const struct snapshot *s, const char *source,
                   const struct content *files);

#endif
