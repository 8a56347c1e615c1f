/* SPDX-License-Identifier: BSD-2-Clause */
/* Scrub, as far as it cannot be seen from outside: how it ends when the storage goes away. */
#include "engine/helper_backup.h"

#include <string.h>

#include "engine/scrub.h"

#define OBJECTS_MAX 200u /* more than the repository of this test has */

/** Let objects be read up to the one that is damaged, and ${after} others; then the storage is gone. */
struct going {
    char damaged[PACK_OBJECT_TEXT];
    bool seen;
    unsigned after;
};

static enum fault_verdict
go_away(void *ctx, enum storage_op op, const char *name)
{
    struct going *g = ctx;

    if (op == STORAGE_READ && strcmp(name, g->damaged) == 0) {
        g->seen = true;
        return FAULT_PASS;
    }
    if (!g->seen) {
        return FAULT_PASS;
    }
    if (g->after == 0) {
        return FAULT_TRANSIENT;
    }
    g->after--;
    return FAULT_PASS;
}

static void
damage(struct backup_world *w, const char *object)
{
    struct vv_buf bytes = {0};

    bw_must(w, storage_read_all(w->memory, object, LIMIT_PACK, &bytes, &w->err));
    bytes.data[bytes.len / 2] ^= 1;
    bw_must(w, storage_remove(w->memory, object, &w->err));
    bw_must(w, storage_publish(w->memory, object, vv_buf_span(&bytes), &w->err));
    vv_buf_release(&bytes);
}

/* However far it came: what it had read is told before it ends. */
static void
scrub__tells_what_it_found_when_the_storage_goes_away(void **state)
{
    const struct scrub_options options = {.threads = 1};
    struct backup_world w;
    struct pack_name packs[8];
    struct going going = {.seen = false};
    unsigned failures = 0;
    enum vv_rc rc = VV_EIO;

    (void)state;
    bw_begin(&w, NULL);
    bw_file(&w, "a", 300000, 1);
    bw_backup(&w);
    assert_true(bw_packs(&w, packs, VV_COUNT(packs)) > 0);
    pack_object_text(&packs[0], going.damaged);
    damage(&w, going.damaged);
    w.hook = go_away;
    w.hook_ctx = &going;
    for (unsigned after = 0; rc != VV_OK && after < OBJECTS_MAX; after++) {
        struct scrub_summary s;
        going.seen = false;
        going.after = after;
        bw_reopen(&w);
        vv_buf_reset(&w.ear.lines);
        going.seen = false;
        rc = scrub_run(w.repo, &options, NULL, &s, &w.err);
        assert_int_equal(bw_heard_count(&w, "pack-damaged"), 1);
        assert_int_equal(s.objects_damaged, 1);
        assert_int_equal(s.objects_unhealed, 1);
        assert_true(s.objects_read > 0);
        failures += rc != VV_OK;
    }
    assert_int_equal(rc, VV_OK);
    assert_true(failures > 0);
    w.hook = NULL;
    bw_end(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scrub__tells_what_it_found_when_the_storage_goes_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
