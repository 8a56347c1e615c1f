/* SPDX-License-Identifier: BSD-2-Clause */
/* What a host remembers: client keys, numbers and heads. */
#include "core/file.h"
#include "helper_repository.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** Run a command line that names the world's directory as $DIR. */
static void
shell(const char *command, const char *dir)
{
    assert_int_equal(setenv("DIR", dir, 1), 0);
    assert_int_equal(system(command), 0);
}

static struct local_state *
open_state(struct world *w, struct repo *repo)
{
    struct local_state *s = NULL;
    char dir[128];

    (void)snprintf(dir, sizeof(dir), "%s/state-x", w->dir);
    must(local_state_open(dir, repo_keyring(repo), &s, E));
    return s;
}

static void
local_state__draws_a_client_once(void **state)
{
    struct world w;
    struct repo *repo;
    struct local_state *s;
    struct local_state *t;
    const struct client_keys *a = NULL;
    const struct client_keys *b = NULL;

    (void)state;
    world_begin(&w);
    repo = world_open(&w, "a");
    s = open_state(&w, repo);
    t = open_state(&w, repo);
    assert_int_equal(local_state_client(s, 0, &a, E), VV_ENOTFOUND);
    must(local_state_client(s, 1, &a, E));
    must(local_state_client(t, 1, &b, E)); /* another run: the same client */
    assert_memory_equal(a->id.b, b->id.b, 16);
    assert_memory_equal(a->ed25519_secret, b->ed25519_secret, 64);
    assert_int_equal(a->sequence, 0);
    local_state_free(s);
    local_state_free(t);
    repo_free(repo);
    world_end(&w);
}

static void
local_state__keeps_the_newest_number_of_several_runs(void **state)
{
    struct world w;
    struct repo *repo;
    struct local_state *s;
    struct local_state *t;
    const struct client_keys *a = NULL;
    const struct client_keys *b = NULL;

    (void)state;
    world_begin(&w);
    repo = world_open(&w, "a");
    s = open_state(&w, repo);
    t = open_state(&w, repo);
    must(local_state_client(s, 1, &a, E));
    must(local_state_client(t, 1, &b, E));
    must(local_state_lock(s, E));
    must(local_state_set_sequence(s, 41, E));
    local_state_unlock(s);
    must(local_state_set_certified(t, E)); /* knew nothing of 41 */
    must(local_state_lock(t, E));
    assert_int_equal(b->sequence, 41);
    local_state_unlock(t);
    must(local_state_lock(s, E));
    assert_int_equal(a->sequence, 41);
    assert_true(a->certified);
    local_state_unlock(s);
    local_state_free(s);
    local_state_free(t);
    repo_free(repo);
    world_end(&w);
}

static void
local_state__never_replaces_a_damaged_client(void **state)
{
    struct world w;
    struct world other;
    struct repo *repo;
    struct repo *foreign;
    struct local_state *s;
    const struct client_keys *a = NULL;

    (void)state;
    world_begin(&w);
    world_begin(&other);
    repo = world_open(&w, "a");
    foreign = world_open(&other, "a");
    s = open_state(&w, repo);
    must(local_state_client(s, 1, &a, E));
    local_state_free(s);
    /* The file of another repository. */
    s = open_state(&other, foreign);
    must(local_state_client(s, 1, &a, E));
    local_state_free(s);
    {
        char command[256];
        (void)snprintf(command, sizeof(command), "cp %s/state-x/*/client %s/state-x/*/client",
                       other.dir, w.dir);
        assert_int_equal(system(command), 0);
    }
    s = open_state(&w, repo);
    assert_int_equal(local_state_client(s, 1, &a, E), VV_ECORRUPT);
    assert_int_not_equal(E->hint[0], '\0');
    local_state_free(s);
    shell("for f in $DIR/state-x/*/client; do echo bad > $f; done", w.dir);
    s = open_state(&w, repo);
    assert_int_equal(local_state_client(s, 1, &a, E), VV_ECORRUPT);
    local_state_free(s);
    shell("rm $DIR/state-x/*/client", w.dir);
    s = open_state(&w, repo);
    must(local_state_client(s, 1, &a, E));
    shell("rm $DIR/state-x/*/client", w.dir); /* under a running program */
    assert_int_equal(local_state_lock(s, E), VV_ECORRUPT);
    local_state_free(s);
    repo_free(repo);
    repo_free(foreign);
    world_end(&other);
    world_end(&w);
}

static enum vv_rc
count_gone(void *ctx, const struct site_memory *m, struct vv_error *err)
{
    (void)err;
    *(size_t *)ctx += 10 + m->gone_count;
    return VV_OK;
}

static void
local_state__remembers_heads_by_site(void **state)
{
    struct world w;
    struct repo *repo;
    struct local_state *s;
    const struct vv_uuid here = {{1}};
    const struct vv_uuid there = {{2}};
    struct head two[2] = {{{{3}}, 7, {{4}}}, {{{5}}, 9, {{6}}}};
    struct vv_id accepted[1] = {{{7}}};
    struct vv_id gone[1] = {{{6}}};
    struct site_memory memory = {.heads = two,
                                 .head_count = 2,
                                 .accepted = accepted,
                                 .accepted_count = 1,
                                 .graves = 11,
                                 .revocations = 12,
                                 .epoch = 13};
    const struct site_memory none = {0};
    const struct site_memory *m = &none;
    size_t seen = 0;

    (void)state;
    world_begin(&w);
    repo = world_open(&w, "a");
    s = open_state(&w, repo);
    must(local_state_site(s, &here, &m, E));
    assert_null(m);
    must(local_state_remember(s, &here, &memory, E));
    local_state_free(s);
    s = open_state(&w, repo);
    must(local_state_site(s, &here, &m, E));
    assert_non_null(m);
    assert_int_equal(m->head_count, 2);
    assert_memory_equal(m->heads, two, sizeof(two));
    assert_int_equal(m->accepted_count, 1);
    assert_memory_equal(m->accepted, accepted, sizeof(accepted));
    assert_int_equal(m->graves, 11);
    assert_int_equal(m->revocations, 12);
    assert_int_equal(m->epoch, 13);
    must(local_state_remember(s, &here, m, E)); /* what was lent, back */
    must(local_state_site(s, &there, &m, E));
    assert_null(m);
    must(local_state_remember(s, &there, &none, E));
    must(local_state_site(s, &there, &m, E));
    assert_non_null(m);
    assert_int_equal(m->head_count, 0);
    memory.gone = gone;
    memory.gone_count = 1;
    must(local_state_remember(s, &here, &memory, E));
    must(local_state_other_sites(s, &there, count_gone, &seen, E));
    assert_int_equal(seen, 11); /* one site, and one head that is gone there */
    must(local_state_site(s, &here, &m, E));
    assert_int_equal(m->gone_count, 1);
    assert_memory_equal(m->gone, gone, sizeof(gone));
    assert_int_equal(m->epoch, 13);
    shell("for f in $DIR/state-x/*/site-01*; do head -c 20 $f > $f.x; mv $f.x $f; done", w.dir);
    assert_int_equal(local_state_site(s, &here, &m, E), VV_ECORRUPT);
    seen = 0;
    must(
        local_state_other_sites(s, &there, count_gone, &seen, E)); /* whoever looks there is told */
    assert_int_equal(seen, 0);
    local_state_free(s);
    repo_free(repo);
    world_end(&w);
}

static void
local_state__that_cannot_be_written_does_not_stop_readers(void **state)
{
    struct world w;
    struct repo *repo;
    struct writer_session *s = NULL;

    (void)state;
    world_begin(&w);
    shell("echo not a directory > $DIR/state-a", w.dir);
    repo = world_open(&w, "a");
    assert_null(repo_state(repo));
    assert_int_equal(world_told(&w, "state-unusable"), 1);
    assert_int_equal(writer_session_begin(repo, SESSION_BACKUP, &s, E), VV_EUSAGE);
    repo_free(repo);
    world_end(&w);
}

static void
local_state__pins_the_administrator(void **state)
{
    const uint8_t first[32] = {1};
    const uint8_t second[32] = {2};
    struct world w;
    struct repo *repo;
    struct local_state *s;

    (void)state;
    world_begin(&w);
    repo = world_open(&w, "a");
    s = open_state(&w, repo);
    must(local_state_pin(s, first, E));
    must(local_state_pin(s, first, E));
    assert_int_equal(local_state_pin(s, second, E), VV_EFORGED);
    assert_true(E->hint[0] != '\0');
    must(local_state_repin(s, second, E)); /* a key has proved it */
    assert_int_equal(local_state_pin(s, first, E), VV_EFORGED);
    must(local_state_pin(s, second, E));
    local_state_free(s);
    repo_free(repo);
    world_end(&w);
}

static void
local_state__remembers_replicas_once(void **state)
{
    static const char wanted[] = "/mnt/a\nsftp://u@h/b\n";
    struct world w;
    struct repo *repo;
    struct local_state *s;
    struct vv_buf urls = {0};

    (void)state;
    world_begin(&w);
    repo = world_open(&w, "a");
    s = open_state(&w, repo);
    must(local_state_replicas(s, &urls, E));
    assert_int_equal(urls.len, 0);
    must(local_state_add_replica(s, "/mnt/a", E));
    must(local_state_add_replica(s, "sftp://u@h/b", E));
    must(local_state_add_replica(s, "/mnt/a", E));
    assert_int_equal(local_state_add_replica(s, "two\nlines", E), VV_EUSAGE);
    must(local_state_replicas(s, &urls, E));
    assert_string_equal(vv_buf_text(&urls), wanted);
    vv_buf_release(&urls);
    local_state_free(s);
    repo_free(repo);
    world_end(&w);
}

static void
local_state__remembers_database_systems(void **state)
{
    struct world w;
    struct repo *repo;
    struct local_state *s;
    const char *directory;
    uint64_t system = 1;

    (void)state;
    world_begin(&w);
    repo = world_open(&w, "a");
    s = open_state(&w, repo);
    must(local_state_database(s, "db", &system, E));
    assert_int_equal(system, 0);
    must(local_state_set_database(s, "db", 7712484556135646751, E));
    must(local_state_set_database(s, "db-5433", 3, E));
    must(local_state_set_database(s, "db", 4, E)); /* what is known stays */
    must(local_state_database(s, "db", &system, E));
    assert_int_equal(system, 7712484556135646751);
    must(local_state_database(s, "db-5433", &system, E));
    assert_int_equal(system, 3);
    must(local_state_database(s, "d", &system, E));
    assert_int_equal(system, 0);
    /* As a person may leave it. */
    must(vv_file_replace(local_state_directory(s, &directory), "databases",
                         vv_span("garbage\n\n5 db", 13), 0600, E));
    must(local_state_database(s, "db", &system, E));
    assert_int_equal(system, 5);
    must(local_state_set_database(s, "other", 6, E));
    must(local_state_database(s, "db", &system, E));
    assert_int_equal(system, 5);
    must(local_state_database(s, "other", &system, E));
    assert_int_equal(system, 6);
    local_state_free(s);
    repo_free(repo);
    world_end(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(local_state__draws_a_client_once),
        cmocka_unit_test(local_state__keeps_the_newest_number_of_several_runs),
        cmocka_unit_test(local_state__never_replaces_a_damaged_client),
        cmocka_unit_test(local_state__remembers_heads_by_site),
        cmocka_unit_test(local_state__pins_the_administrator),
        cmocka_unit_test(local_state__remembers_replicas_once),
        cmocka_unit_test(local_state__remembers_database_systems),
        cmocka_unit_test(local_state__that_cannot_be_written_does_not_stop_readers),
    };

    return cmocka_run_group_tests_name("repo/local_state", tests, NULL, NULL);
}
