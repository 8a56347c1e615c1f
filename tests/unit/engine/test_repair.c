/* SPDX-License-Identifier: BSD-2-Clause */
/* Repair of packs, as far as it cannot be seen from outside: several instances, and other places that
 * stop answering. */
#include "engine/helper_backup.h"

#include <string.h>

#include "engine/repair.h"

/** Bytes all over a pack, more than any parity can compute. */
static void
spoil(struct backup_world *w, const struct pack_name *from, const struct pack_name *to)
{
    struct vv_buf bytes = {0};
    char object[PACK_OBJECT_TEXT];

    pack_object_text(from, object);
    bw_must(w, storage_read_all(w->memory, object, LIMIT_PACK, &bytes, &w->err));
    for (size_t at = 100; at < bytes.len; at += 1000) {
        bytes.data[at] ^= 1;
    }
    pack_object_text(to, object);
    bw_must(w, storage_memory_poke(w->memory, object, vv_buf_span(&bytes), &w->err));
    vv_buf_release(&bytes);
}

static void
begin(struct backup_world *w, struct pack_name *ret)
{
    struct pack_name packs[8];

    bw_begin(w, NULL);
    bw_file(w, "a", 300000, 1);
    bw_backup(w);
    assert_true(bw_packs(w, packs, VV_COUNT(packs)) > 0);
    *ret = packs[0];
}

/* Two damaged instances are one pack that is lost. */
static void
repair__counts_what_is_lost_once(void **state)
{
    const struct repair_options options = {.threads = 1};
    struct backup_world w;
    struct pack_name name;
    struct pack_name other;
    struct repair_summary s;

    (void)state;
    begin(&w, &name);
    other = name;
    other.suffix.b[0] ^= 1;
    spoil(&w, &name, &other);
    spoil(&w, &name, &name);
    bw_reopen(&w);
    bw_must(&w, repair_run(w.repo, &options, NULL, &s, &w.err));
    assert_int_equal(s.packs_damaged, 2);
    assert_int_equal(s.packs_lost, 1);
    repair_summary_release(&s);
    bw_end(&w);
}

/** The other place does not answer any more when the pack is asked for. */
struct silence {
    char object[PACK_OBJECT_TEXT];
    bool over;
};

static enum fault_verdict
fall_silent(void *ctx, enum storage_op op, const char *name)
{
    const struct silence *s = ctx;

    return !s->over && op == STORAGE_READ && strcmp(name, s->object) == 0 ? FAULT_TRANSIENT
                                                                          : FAULT_PASS;
}

/* What a place holds is not lost because it does not answer: trying again may help. */
static void
repair__ends_when_another_place_stops_answering(void **state)
{
    struct silence silence = {.over = false};
    struct storage *copy = NULL;
    struct storage *others[1] = {NULL};
    const struct repair_options options = {.others = others, .other_count = 1, .threads = 1};
    struct backup_world w;
    struct pack_name name;
    struct repair_summary s;

    (void)state;
    begin(&w, &name);
    pack_object_text(&name, silence.object);
    bw_must(&w, storage_memory_clone(w.memory, &copy, &w.err));
    bw_must(&w, storage_fault_new(copy, fall_silent, &silence, &others[0], &w.err));
    spoil(&w, &name, &name);
    bw_reopen(&w);
    assert_int_equal(repair_run(w.repo, &options, NULL, &s, &w.err), VV_ETRANSIENT);
    assert_true(w.err.message[0] != '\0');
    silence.over = true;
    bw_reopen(&w);
    bw_must(&w, repair_run(w.repo, &options, NULL, &s, &w.err));
    assert_int_equal(s.packs_healed_elsewhere, 1);
    assert_int_equal(s.packs_lost, 0);
    repair_summary_release(&s);
    storage_free(others[0]);
    storage_free(copy);
    bw_end(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(repair__counts_what_is_lost_once),
        cmocka_unit_test(repair__ends_when_another_place_stops_answering),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
