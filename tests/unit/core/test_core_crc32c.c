/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/crc32c.h"

/* Vectors of RFC 3720, B.4. */
static void
rfc_vectors(void **state)
{
    uint8_t data[32];

    (void)state;
    memset(data, 0, sizeof(data));
    assert_int_equal(vv_crc32c(0, data, sizeof(data)), 0x8a9136aa);
    memset(data, 0xff, sizeof(data));
    assert_int_equal(vv_crc32c(0, data, sizeof(data)), 0x62a8ab43);
    for (unsigned i = 0; i < sizeof(data); i++) {
        data[i] = (uint8_t)i;
    }
    assert_int_equal(vv_crc32c(0, data, sizeof(data)), 0x46dd794e);
    assert_int_equal(vv_crc32c_portable(0, data, sizeof(data)), 0x46dd794e);
    assert_int_equal(vv_crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(vv_crc32c(0, NULL, 0), 0);
}

static void
pieces_and_both_ways_agree(void **state)
{
    enum { SIZE = 20000 };
    uint8_t *data = malloc(SIZE);

    (void)state;
    assert_non_null(data);
    for (unsigned i = 0; i < SIZE; i++) {
        data[i] = (uint8_t)(i * 2654435761u >> 13);
    }
    uint32_t whole = vv_crc32c(0, data, SIZE);
    assert_int_equal(vv_crc32c_portable(0, data, SIZE), whole);
    for (size_t cut = 0; cut < SIZE; cut += 977) {
        uint32_t crc = vv_crc32c(0, data, cut);
        assert_int_equal(vv_crc32c(crc, data + cut, SIZE - cut), whole);
        crc = vv_crc32c_portable(0, data, cut);
        assert_int_equal(vv_crc32c_portable(crc, data + cut, SIZE - cut), whole);
    }
    free(data);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc_vectors),
        cmocka_unit_test(pieces_and_both_ways_agree),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
