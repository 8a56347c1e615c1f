/* SPDX-License-Identifier: BSD-2-Clause */
/* Envelopes: vectors of another implementation, binding to key, purpose and additional data. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "alloc_sweep.h"
#include "format/envelope.h"
#include "repo/sealed_envelope.h"

#define COMMITMENT_AT 33u
#define LENGTH_AT 65u
#define CIPHERTEXT_AT 69u

static const uint8_t key_a[32] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                                  16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31};
static const uint8_t key_b[32] = {7};
static const struct vv_span aad_a = {(const uint8_t *)"additional", 10};
static const struct vv_span text_a = {(const uint8_t *)"a bundle of keys", 16};

/* Seal text_a for "key slot" with key_a and aad_a. */
static struct vv_buf
sealed_a(void)
{
    struct vv_buf sealed = {0};
    assert_int_equal(envelope_seal(key_a, "key slot", aad_a, text_a, &sealed, NULL), VV_OK);
    return sealed;
}

/* Opening gives ${want}, and ${out} keeps what it had before. */
static void
assert_refused(enum vv_rc want, const uint8_t key[32], const char *purpose, struct vv_span aad,
               struct vv_span sealed)
{
    struct vv_error err = {0};
    struct vv_buf out = {0};
    vv_buf_put_text(&out, "before");
    assert_int_equal(envelope_open(key, purpose, aad, sealed, &out, &err), want);
    assert_int_equal(err.rc, want);
    assert_true(err.message[0] != '\0');
    assert_int_equal(out.len, 6);
    assert_memory_equal(out.data, "before", 6);
    assert_int_equal(envelope_open(key, purpose, aad, sealed, &out, NULL), want);
    vv_buf_release(&out);
}

static void
envelope_open__opens_what_another_implementation_sealed(void **state)
{
    (void)state;
    /* Suite 1 and 2, salt 80..9f: Python's hashlib and cryptography, from the text of the format.
     */
    static const char *const sealed_hex[2] = {
        "01808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"
        "21fc8d9175c63530db6f5b4e26977b5f9c971a6097a6692e271bd849f24c978310000000"
        "1bf5b5ef1b676914cdf39b432865ed408209e7ec5366dda267cf5df2a5d29d67",
        "02808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"
        "21fc8d9175c63530db6f5b4e26977b5f9c971a6097a6692e271bd849f24c978310000000"
        "0990503687721a576c371b4943401ac71d069cc359ea3e4a05bc46b680117ff6",
    };
    for (unsigned i = 0; i < 2; i++) {
        uint8_t sealed[ENVELOPE_OVERHEAD + 16];
        struct vv_buf out = {0};
        assert_int_equal(strlen(sealed_hex[i]), 2 * sizeof(sealed));
        assert_true(vv_unhex(sealed, sizeof(sealed), sealed_hex[i], 2 * sizeof(sealed)));
        assert_int_equal(
            envelope_open(key_a, "key slot", aad_a, vv_span(sealed, sizeof(sealed)), &out, NULL),
            VV_OK);
        assert_int_equal(out.len, text_a.len);
        assert_memory_equal(out.data, text_a.data, text_a.len);
        vv_buf_release(&out);
    }
}

static void
envelope__round_trips_and_appends(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, 16, 1000, 100000};
    uint8_t *text = vv_alloc_array(1, 100000);
    assert_non_null(text);
    for (size_t i = 0; i < VV_COUNT(lengths); i++) {
        struct vv_buf sealed = {0};
        struct vv_buf out = {0};
        size_t before = i % 2 == 0 ? 0 : 3;
        memset(text, (int)i + 1, lengths[i]);
        vv_buf_put(&sealed, "abc", before);
        vv_buf_put(&out, "xyz", before);
        struct vv_span aad = vv_span("more", i % 3);
        assert_int_equal(
            envelope_seal(key_a, "index", aad, vv_span(text, lengths[i]), &sealed, NULL), VV_OK);
        assert_int_equal(sealed.len, before + ENVELOPE_OVERHEAD + lengths[i]);
        assert_int_equal(envelope_open(key_a, "index", aad,
                                       vv_span(sealed.data + before, sealed.len - before), &out,
                                       NULL),
                         VV_OK);
        assert_int_equal(out.len, before + lengths[i]);
        if (out.len > 0) {
            assert_memory_equal(sealed.data, "abc", before);
            assert_memory_equal(out.data, "xyz", before);
            assert_memory_equal(out.data + before, text, lengths[i]);
        }
        vv_buf_release(&sealed);
        vv_buf_release(&out);
    }
    vv_free(text);
}

static void
envelope_seal__takes_additional_data_from_its_output(void **state)
{
    (void)state;
    struct vv_buf record = {0};
    struct vv_buf out = {0};
    vv_buf_put_text(&record, "head of the record");
    size_t head = record.len;
    assert_int_equal(envelope_seal(key_a, "slot", vv_buf_span(&record), text_a, &record, NULL),
                     VV_OK);
    assert_memory_equal(record.data, "head of the record", head);
    assert_int_equal(envelope_open(key_a, "slot", vv_span("head of the record", head),
                                   vv_span(record.data + head, record.len - head), &out, NULL),
                     VV_OK);
    assert_memory_equal(out.data, text_a.data, text_a.len);
    vv_buf_release(&record);
    vv_buf_release(&out);
}

static void
envelope_seal__never_repeats_salt_or_ciphertext(void **state)
{
    (void)state;
    struct vv_buf one = sealed_a();
    struct vv_buf two = sealed_a();
    assert_memory_not_equal(one.data + 1, two.data + 1, 32);
    assert_memory_not_equal(one.data + COMMITMENT_AT, two.data + COMMITMENT_AT, 32);
    assert_memory_not_equal(one.data + CIPHERTEXT_AT, two.data + CIPHERTEXT_AT, 16);
    vv_buf_release(&one);
    vv_buf_release(&two);
}

static void
envelope_open__tells_a_wrong_key_from_damage(void **state)
{
    (void)state;
    struct vv_buf sealed = sealed_a();
    struct vv_span all = vv_buf_span(&sealed);
    assert_refused(VV_EKEY, key_b, "key slot", aad_a, all);
    assert_refused(VV_EKEY, key_a, "key slo", aad_a, all);
    assert_refused(VV_EKEY, key_a, "key slots", aad_a, all);
    assert_refused(VV_EKEY, key_a, "", aad_a, all);
    assert_refused(VV_ECORRUPT, key_a, "key slot", vv_span("additional", 9), all);
    assert_refused(VV_ECORRUPT, key_a, "key slot", vv_span("Additional", 10), all);
    assert_refused(VV_ECORRUPT, key_a, "key slot", vv_span(NULL, 0), all);
    /* The commitment is looked at first: with both wrong, it is the key. */
    sealed.data[CIPHERTEXT_AT] ^= 1;
    assert_refused(VV_EKEY, key_b, "key slot", aad_a, all);
    vv_buf_release(&sealed);
}

static void
envelope_open__refuses_every_changed_bit(void **state)
{
    (void)state;
    struct vv_buf sealed = sealed_a();
    for (size_t bit = 8; bit < 8 * sealed.len; bit++) {
        size_t at = bit / 8;
        /* A changed salt or commitment looks like another key. */
        enum vv_rc want = at < LENGTH_AT ? VV_EKEY : VV_ECORRUPT;
        sealed.data[at] ^= (uint8_t)(1u << bit % 8);
        assert_refused(want, key_a, "key slot", aad_a, vv_buf_span(&sealed));
        sealed.data[at] ^= (uint8_t)(1u << bit % 8);
    }
    for (unsigned suite = 0; suite < 256; suite++) {
        uint8_t right = sealed.data[0];
        if (suite != right) {
            sealed.data[0] = (uint8_t)suite;
            assert_refused(suite == 1 || suite == 2 ? VV_ECORRUPT : VV_EUNSUPPORTED, key_a,
                           "key slot", aad_a, vv_buf_span(&sealed));
            sealed.data[0] = right;
        }
    }
    vv_buf_release(&sealed);
}

static void
envelope_open__refuses_every_other_length(void **state)
{
    (void)state;
    struct vv_buf sealed = sealed_a();
    size_t right = sealed.len;
    for (size_t len = 0; len < right; len++) {
        assert_refused(VV_ECORRUPT, key_a, "key slot", aad_a, vv_span(sealed.data, len));
    }
    vv_buf_put_u8(&sealed, 0);
    assert_refused(VV_ECORRUPT, key_a, "key slot", aad_a, vv_buf_span(&sealed));
    vv_buf_release(&sealed);
}

static void
envelope_seal__refuses_more_than_the_length_field_holds(void **state)
{
    (void)state;
    struct vv_buf out = {0};
    struct vv_span huge = vv_span("never read", (size_t)UINT32_MAX + 1);
    assert_int_equal(envelope_seal(key_a, "key slot", aad_a, huge, &out, NULL), VV_ELIMIT);
    assert_int_equal(out.len, 0);
    vv_buf_release(&out);
}

static enum vv_rc
sweep_seal(void *arg, struct vv_error *err)
{
    (void)arg;
    struct vv_buf out = {0};
    enum vv_rc rc = envelope_seal(key_a, "key slot", aad_a, text_a, &out, err);
    assert_int_equal(out.len, rc == VV_OK ? ENVELOPE_OVERHEAD + text_a.len : 0);
    vv_buf_release(&out);
    return rc;
}

static enum vv_rc
sweep_open(void *arg, struct vv_error *err)
{
    struct vv_buf out = {0};
    const struct vv_buf *sealed = arg;
    enum vv_rc rc = envelope_open(key_a, "key slot", aad_a, vv_buf_span(sealed), &out, err);
    assert_int_equal(out.len, rc == VV_OK ? text_a.len : 0);
    vv_buf_release(&out);
    return rc;
}

static void
envelope__survives_failing_allocations(void **state)
{
    (void)state;
    struct vv_buf sealed = sealed_a();
    assert_true(alloc_sweep(sweep_seal, NULL) > 0);
    assert_true(alloc_sweep(sweep_open, &sealed) > 0);
    vv_buf_release(&sealed);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(envelope_open__opens_what_another_implementation_sealed),
        cmocka_unit_test(envelope__round_trips_and_appends),
        cmocka_unit_test(envelope_seal__takes_additional_data_from_its_output),
        cmocka_unit_test(envelope_seal__never_repeats_salt_or_ciphertext),
        cmocka_unit_test(envelope_open__tells_a_wrong_key_from_damage),
        cmocka_unit_test(envelope_open__refuses_every_changed_bit),
        cmocka_unit_test(envelope_open__refuses_every_other_length),
        cmocka_unit_test(envelope_seal__refuses_more_than_the_length_field_holds),
        cmocka_unit_test(envelope__survives_failing_allocations),
    };
    return cmocka_run_group_tests_name("repo/sealed_envelope", tests, NULL, NULL);
}
