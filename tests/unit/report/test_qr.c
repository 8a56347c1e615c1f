/* SPDX-License-Identifier: BSD-2-Clause */
/* QR codes drawn as text: their frame, since there is nothing here to decode them with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "report/qr.h"

#define SIDE_MAX 200

/** The drawing as modules; the side's length with the quiet zone. */
static int
modules(const struct vv_buf *text, bool dark[SIDE_MAX][SIDE_MAX])
{
    int x = 0;
    int y = 0;
    int side = 0;

    memset(dark, 0, sizeof(bool) * SIDE_MAX * SIDE_MAX);
    for (size_t i = 0; i < text->len;) {
        if (text->data[i] == '\n') {
            side = x;
            x = 0;
            y += 2;
            i++;
        } else if (text->data[i] == ' ') {
            x++;
            i++;
        } else {
            assert_int_equal(text->data[i], 0xe2);
            dark[y][x] = text->data[i + 2] != 0x84;
            dark[y + 1][x] = text->data[i + 2] != 0x80;
            x++;
            i += 3;
        }
        assert_true(x < SIDE_MAX && y < SIDE_MAX - 1);
    }
    return side;
}

static void
assert_finder(bool dark[SIDE_MAX][SIDE_MAX], int left, int top)
{
    for (int y = 0; y < 7; y++) {
        for (int x = 0; x < 7; x++) {
            bool ring = x == 0 || y == 0 || x == 6 || y == 6;
            bool heart = x >= 2 && x <= 4 && y >= 2 && y <= 4;
            assert_int_equal(dark[top + y][left + x], ring || heart);
        }
    }
}

static void
qr__has_finders_and_a_quiet_zone(void **state)
{
    static bool dark[SIDE_MAX][SIDE_MAX];
    struct vv_buf out = {0};
    enum vv_rc rc = qr_text("abandon ability able about above absent absorb", "", &out, NULL);
    int side;

    (void)state;
    if (rc == VV_EUNSUPPORTED) {
        skip();
    }
    assert_int_equal(rc, VV_OK);
    side = modules(&out, dark);
    assert_int_equal((side - 8 - 17) % 4, 0); /* the sizes there are */
    assert_finder(dark, 4, 4);
    assert_finder(dark, side - 4 - 7, 4);
    assert_finder(dark, 4, side - 4 - 7);
    for (int i = 0; i < side; i++) {
        for (int j = 0; j < 4; j++) {
            assert_false(dark[j][i] || dark[i][j] || dark[side - 1 - j][i] ||
                         dark[i][side - 1 - j]);
        }
    }
    vv_buf_release(&out);
}

static void
qr__refuses_what_is_too_long(void **state)
{
    static char text[8001];
    struct vv_buf out = {0};
    enum vv_rc rc;

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    rc = qr_text(text, "", &out, NULL);
    assert_true(rc == VV_ELIMIT || rc == VV_EUNSUPPORTED);
    vv_buf_release(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(qr__has_finders_and_a_quiet_zone),
        cmocka_unit_test(qr__refuses_what_is_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
