/* SPDX-License-Identifier: BSD-2-Clause */
/* Every decoder against every truncation, extension and single-byte change of a valid example, and
 * against every failing allocation.  Inputs lie in blocks of their exact size, so that the address
 * sanitizer sees any byte read too many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "format/common.h"
#include "helper_samples.h"

/* Decode a copy of exactly this length. */
static enum vv_rc
decode_exact(const struct sample *s, const uint8_t *bytes, size_t len, struct vv_error *err)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, len);
    enum vv_rc rc = s->decode(vv_span(copy, len), err);
    free(copy);
    return rc;
}

static void
format__every_sample_decodes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sample_count; i++) {
        struct vv_buf object = {0};
        struct vv_error err = {0};
        samples[i].build(&object);
        if (decode_exact(&samples[i], object.data, object.len, &err) != VV_OK) {
            fail_msg("%s/%s: %s", samples[i].name, samples[i].variant, err.message);
        }
        vv_buf_release(&object);
    }
}

/* A text file may end without its last line's end, and tagged fields that are not required may be
 * missing; everything else has exactly one length. */
static bool
may_be_cut(const struct sample *s, const struct vv_buf *object, size_t len)
{
    if (strcmp(s->name, "snapshot_body") == 0) {
        struct vv_reader r = vv_reader(object->data, len);
        uint16_t tag = 0;
        struct vv_span value;
        while (field_next(&r, &tag, &value)) {
        }
        return vv_reader_done(&r) && tag >= 8;
    }
    return strcmp(s->name, "key_file") == 0 && len + 1 == object->len;
}

static void
format__every_truncation_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sample_count; i++) {
        struct vv_buf object = {0};
        samples[i].build(&object);
        for (size_t len = 0; len < object.len; len++) {
            struct vv_error err = {0};
            enum vv_rc rc = decode_exact(&samples[i], object.data, len, &err);
            if (rc == VV_OK && !may_be_cut(&samples[i], &object, len)) {
                fail_msg("%s/%s: %zu of %zu bytes were accepted", samples[i].name,
                         samples[i].variant, len, object.len);
            }
        }
        vv_buf_release(&object);
    }
}

/* The body of a container cut short, or followed by something, under a trailer that is right. */
static void
format__other_body_lengths_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sample_count; i++) {
        if (!samples[i].container) {
            continue;
        }
        struct vv_buf object = {0};
        samples[i].build(&object);
        size_t body_end = object.len - FORMAT_TRAILER_LEN;
        for (size_t len = FORMAT_HEADER_LEN; len < body_end + 3; len++) {
            struct vv_buf other = {0};
            vv_buf_put(&other, object.data, len < body_end ? len : body_end);
            vv_buf_put_zeros(&other, len < body_end ? 0 : len - body_end);
            assert_int_equal(container_finish(&other, NULL), VV_OK);
            enum vv_rc rc = decode_exact(&samples[i], other.data, other.len, NULL);
            if ((rc == VV_OK) != (len == body_end)) {
                fail_msg("%s/%s: body of %zu bytes instead of %zu: %s", samples[i].name,
                         samples[i].variant, len, body_end, vv_rc_name(rc));
            }
            vv_buf_release(&other);
        }
        vv_buf_release(&object);
    }
}

static void
format__trailing_bytes_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sample_count; i++) {
        struct vv_buf object = {0};
        samples[i].build(&object);
        vv_buf_put_u8(&object, 0);
        assert_int_not_equal(decode_exact(&samples[i], object.data, object.len, NULL), VV_OK);
        vv_buf_release(&object);
    }
}

static void
format__a_changed_container_is_corrupt(void **state)
{
    (void)state;
    for (size_t i = 0; i < sample_count; i++) {
        if (!samples[i].container) {
            continue;
        }
        struct vv_buf object = {0};
        samples[i].build(&object);
        for (size_t at = 0; at < object.len; at++) {
            object.data[at] ^= 0x10;
            assert_int_equal(decode_exact(&samples[i], object.data, object.len, NULL), VV_ECORRUPT);
            object.data[at] ^= 0x10;
        }
        vv_buf_release(&object);
    }
}

/* Whatever one byte becomes: an answer, and no other than these. */
static void
format__any_changed_byte_is_survived(void **state)
{
    (void)state;
    static const uint8_t changes[] = {0x01, 0x02, 0x80, 0xff, 0x7f};
    for (size_t i = 0; i < sample_count; i++) {
        struct vv_buf object = {0};
        samples[i].build(&object);
        for (size_t at = 0; at < object.len; at++) {
            for (size_t j = 0; j < sizeof(changes); j++) {
                struct vv_error err = {0};
                object.data[at] ^= changes[j];
                if (samples[i].container) {
                    sample_reseal(object.data, object.len);
                }
                enum vv_rc rc = decode_exact(&samples[i], object.data, object.len, &err);
                assert_true(rc == VV_OK || rc == VV_ECORRUPT || rc == VV_EUNSUPPORTED ||
                            rc == VV_EREFUSED);
                if (rc != VV_OK) {
                    assert_int_equal(err.rc, rc);
                    assert_true(err.message[0] != '\0');
                }
                object.data[at] ^= changes[j];
            }
            if (samples[i].container) {
                sample_reseal(object.data, object.len);
            }
        }
        vv_buf_release(&object);
    }
}

static void
format__failing_allocations_are_reported(void **state)
{
    (void)state;
    for (size_t i = 0; i < sample_count; i++) {
        struct vv_buf object = {0};
        samples[i].build(&object);
        enum vv_rc rc = VV_ENOMEM;
        for (uint64_t nth = 1; rc == VV_ENOMEM; nth++) {
            assert_true(nth < 1000);
            vv_alloc_fail_at(nth, 0);
            struct vv_error err = {0};
            rc = samples[i].decode(vv_buf_span(&object), &err);
            vv_alloc_fail_at(0, 0);
        }
        assert_int_equal(rc, VV_OK);
        vv_buf_release(&object);
    }
}

static void
format__another_repository_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sample_count; i++) {
        const char *name = samples[i].name;
        if ((!samples[i].container && strcmp(name, "pack_header") != 0 &&
             strcmp(name, "snapshot_record") != 0) ||
            strcmp(name, "config") == 0 || strcmp(name, "key_slot") == 0) {
            continue;
        }
        struct vv_buf object = {0};
        samples[i].build(&object);
        object.data[8] ^= 1;
        if (samples[i].container) {
            sample_reseal(object.data, object.len);
        }
        assert_int_equal(decode_exact(&samples[i], object.data, object.len, NULL), VV_ECORRUPT);
        vv_buf_release(&object);
    }
}

static void
format__a_newer_version_is_unsupported(void **state)
{
    (void)state;
    for (size_t i = 0; i < sample_count; i++) {
        if (!samples[i].container) {
            continue;
        }
        struct vv_buf object = {0};
        struct vv_error err = {0};
        samples[i].build(&object);
        object.data[6] = 2;
        assert_int_equal(decode_exact(&samples[i], object.data, object.len, NULL), VV_ECORRUPT);
        sample_reseal(object.data, object.len);
        assert_int_equal(decode_exact(&samples[i], object.data, object.len, &err), VV_EUNSUPPORTED);
        assert_true(err.hint[0] != '\0');
        vv_buf_release(&object);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(format__every_sample_decodes),
        cmocka_unit_test(format__every_truncation_is_refused),
        cmocka_unit_test(format__other_body_lengths_are_refused),
        cmocka_unit_test(format__trailing_bytes_are_refused),
        cmocka_unit_test(format__a_changed_container_is_corrupt),
        cmocka_unit_test(format__any_changed_byte_is_survived),
        cmocka_unit_test(format__failing_allocations_are_reported),
        cmocka_unit_test(format__another_repository_is_refused),
        cmocka_unit_test(format__a_newer_version_is_unsupported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
