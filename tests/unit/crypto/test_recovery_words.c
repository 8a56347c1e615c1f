/* SPDX-License-Identifier: BSD-2-Clause */
/* Recovery words: the list itself, both directions, and every way to get them wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/random.h"
#include "crypto/hash.h"
#include "crypto/passphrase.h"
#include "crypto/words.h"

/* Secrets all zero, 00..1f and all ff, encoded by a separate program (Python's hashlib). */
static const char zero_words[] =
    "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon "
    "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon "
    "abandon bundle";
static const char counting_words[] =
    "abandon antique minnow antique frolic affair chalk cherry aspect hoof example casino accent "
    "never flock moment blur sawdust amateur diary rhyme baby luggage yellow";
static const char ones_words[] =
    "zoom zoom zoom zoom zoom zoom zoom zoom zoom zoom zoom zoom zoom zoom zoom zoom zoom zoom "
    "zoom zoom zoom zoom zoom wrap";

/* ${text} cut into its 24 words. */
struct phrase {
    char words[RECOVERY_WORDS][64];
};

static struct phrase
cut(const char *text)
{
    struct phrase p;
    memset(&p, 0, sizeof(p));
    const char *at = text;
    for (unsigned i = 0; i < RECOVERY_WORDS; i++) {
        size_t len = strcspn(at, " ");
        assert_true(len > 0 && len < sizeof(p.words[i]));
        memcpy(p.words[i], at, len);
        at += len + (at[len] == ' ');
    }
    assert_int_equal(*at, '\0');
    return p;
}

/* Decode the words of ${p}. */
static enum vv_rc
decode(const struct phrase *p, uint8_t secret[32], struct vv_error *err)
{
    struct vv_buf text = {0};
    for (unsigned i = 0; i < RECOVERY_WORDS; i++) {
        vv_buf_put_text(&text, p->words[i]);
        vv_buf_put_text(&text, " ");
    }
    enum vv_rc rc = recovery_words_decode(vv_buf_span(&text), secret, err);
    vv_buf_release(&text);
    return rc;
}

static void
counting_secret(uint8_t secret[32])
{
    for (unsigned i = 0; i < 32; i++) {
        secret[i] = (uint8_t)i;
    }
}

/* ${text} is refused with VV_EKEY and a message that contains ${part}; the secret is untouched. */
static struct vv_error
assert_refused(const char *text, size_t len, const char *part)
{
    uint8_t secret[32];
    uint8_t before[32];
    struct vv_error err = {0};
    memset(secret, 0x77, sizeof(secret));
    memset(before, 0x77, sizeof(before));
    assert_int_equal(recovery_words_decode(vv_span(text, len), secret, &err), VV_EKEY);
    assert_int_equal(err.rc, VV_EKEY);
    assert_memory_equal(secret, before, sizeof(secret));
    if (strstr(err.message, part) == NULL) {
        fail_msg("'%s' is not in '%s'", part, err.message);
    }
    return err;
}

static void
recovery_word_list__keeps_its_promises(void **state)
{
    (void)state;
    struct vv_buf all = {0};
    for (unsigned i = 0; i < RECOVERY_WORD_COUNT; i++) {
        const char *word = recovery_word_list[i];
        size_t len = strlen(word);
        assert_in_range(len, 4, 7);
        for (size_t at = 0; at < len; at++) {
            assert_in_range((unsigned char)word[at], 'a', 'z');
        }
        if (i > 0) {
            assert_true(strcmp(recovery_word_list[i - 1], word) < 0);
            assert_true(strncmp(recovery_word_list[i - 1], word, 4) != 0);
        }
        vv_buf_put_text(&all, word);
        vv_buf_put_text(&all, "\n");
    }
    /* Part of the format: words written on paper must be readable for ever. */
    uint8_t hash[32];
    char hex[65];
    sha256(all.data, all.len, hash);
    vv_hex(hex, hash, sizeof(hash));
    assert_string_equal(hex, "12226b45c8b76e6e1e4f218516f0e7a76f6990295c9211135e45d3d1595b2429");
    vv_buf_release(&all);
}

static void
recovery_words__match_an_independent_encoder(void **state)
{
    (void)state;
    uint8_t secrets[3][32];
    const char *const texts[3] = {zero_words, counting_words, ones_words};
    memset(secrets[0], 0, 32);
    counting_secret(secrets[1]);
    memset(secrets[2], 0xff, 32);
    for (unsigned i = 0; i < 3; i++) {
        char text[RECOVERY_TEXT_MAX];
        uint8_t back[32];
        recovery_words_encode(secrets[i], text);
        assert_string_equal(text, texts[i]);
        assert_int_equal(recovery_words_decode(vv_span(texts[i], strlen(texts[i])), back, NULL),
                         VV_OK);
        assert_memory_equal(back, secrets[i], 32);
    }
}

static void
recovery_words__round_trip_for_many_secrets(void **state)
{
    (void)state;
    uint64_t seed = (uint64_t)time(NULL);
    print_message("seed %llu\n", (unsigned long long)seed);
    vv_random_test_seed(seed);
    for (unsigned i = 0; i < 2000; i++) {
        uint8_t secret[32];
        uint8_t back[32];
        char text[RECOVERY_TEXT_MAX];
        vv_random(secret, sizeof(secret));
        recovery_words_encode(secret, text);
        assert_int_equal(recovery_words_decode(vv_span(text, strlen(text)), back, NULL), VV_OK);
        assert_memory_equal(back, secret, 32);
    }
    vv_random_test_seed(0);
}

static void
recovery_words_decode__accepts_what_people_type(void **state)
{
    (void)state;
    static const char *const forms[] = {"%s ",     "%s\n", "\t%s\r\n",   " %u. %s\n",
                                        "%u) %s,", "%s, ", "(%u): %s; ", "%04u\v%s\f"};
    struct phrase p = cut(counting_words);
    uint8_t want[32];
    counting_secret(want);
    for (size_t form = 0; form < 2 * VV_COUNT(forms); form++) {
        struct vv_buf text = {0};
        const char *shape = forms[form / 2];
        for (unsigned i = 0; i < RECOVERY_WORDS; i++) {
            for (const char *c = shape; *c != '\0'; c++) {
                if (c[0] == '%' && c[1] == 's') {
                    for (const char *w = p.words[i]; *w != '\0'; w++) {
                        /* The odd rounds in capitals. */
                        vv_buf_put_u8(&text, (uint8_t)(form % 2 == 1 ? toupper(*w) : *w));
                    }
                    c++;
                } else if (c[0] == '%') {
                    vv_buf_printf(&text, "%u", i + 1);
                    c = strchr(c, 'u');
                } else {
                    vv_buf_put_u8(&text, (uint8_t)*c);
                }
            }
        }
        uint8_t got[32] = {0};
        assert_int_equal(recovery_words_decode(vv_buf_span(&text), got, NULL), VV_OK);
        assert_memory_equal(got, want, 32);
        vv_buf_release(&text);
    }
}

static void
recovery_words_decode__names_the_wrong_word_and_its_place(void **state)
{
    (void)state;
    for (unsigned place = 0; place < RECOVERY_WORDS; place++) {
        struct phrase p = cut(counting_words);
        char right[64];
        char part[96];
        uint8_t secret[32];
        /* A letter twice, as happens when typing. */
        (void)snprintf(right, sizeof(right), "%s", p.words[place]);
        (void)snprintf(p.words[place], sizeof(p.words[place]), "%.4s%c%.50s", right, right[3],
                       right + 4);
        struct vv_error err = {0};
        assert_int_equal(decode(&p, secret, &err), VV_EKEY);
        (void)snprintf(part, sizeof(part), "word %u, '%.60s'", place + 1, p.words[place]);
        assert_non_null(strstr(err.message, part));
        (void)snprintf(part, sizeof(part), "'%.60s'", right);
        assert_non_null(strstr(err.hint, part));
        /* A wrong first letter: the nearest word is still found (or one as near). */
        p = cut(counting_words);
        p.words[place][0] = 'x';
        err = (struct vv_error){0};
        assert_int_equal(decode(&p, secret, &err), VV_EKEY);
        (void)snprintf(part, sizeof(part), "word %u, '%.60s'", place + 1, p.words[place]);
        assert_non_null(strstr(err.message, part));
        assert_true(err.hint[0] != '\0');
    }
}

static void
recovery_words_decode__names_the_first_of_several_wrong_words(void **state)
{
    (void)state;
    struct phrase p = cut(counting_words);
    uint8_t secret[32];
    struct vv_error err = {0};
    memcpy(p.words[9], "QWERTZ", 7);
    memcpy(p.words[20], "asdfg", 6);
    assert_int_equal(decode(&p, secret, &err), VV_EKEY);
    assert_non_null(strstr(err.message, "word 10, 'qwertz'"));
    assert_string_equal(err.hint, ""); /* nothing is near */
}

static void
recovery_words_decode__numbers_words_not_list_numbers(void **state)
{
    (void)state;
    static const char text[] = "1. abandon 2. abandon 3. abandonn 4. abandon";
    struct vv_error err = assert_refused(text, sizeof(text) - 1, "word 3, 'abandonn'");
    assert_non_null(strstr(err.hint, "'abandon'"));
}

static void
recovery_words_decode__does_not_split_words_at_digits(void **state)
{
    (void)state;
    static const char text[] = "abandon ab1lity about";
    struct vv_error err = assert_refused(text, sizeof(text) - 1, "word 2, 'ab1lity'");
    assert_non_null(strstr(err.hint, "'ability'"));
}

static void
recovery_words_decode__counts_the_words(void **state)
{
    (void)state;
    struct vv_error err = assert_refused(NULL, 0, "there are 0 recovery words where 24 are needed");
    (void)assert_refused(" \n\t 1. 2. 3. ", 13, "there are 0");
    const char *last = strrchr(counting_words, ' ');
    err = assert_refused(counting_words, (size_t)(last - counting_words), "there are 23");
    assert_non_null(strstr(err.hint, "missing"));
    char more[400];
    (void)snprintf(more, sizeof(more), "%s %s", counting_words, "zoom");
    err = assert_refused(more, strlen(more), "there are 25");
    assert_non_null(strstr(err.hint, "twice"));
    (void)snprintf(more, sizeof(more), "%s %s", counting_words, counting_words);
    (void)assert_refused(more, strlen(more), "there are 48");
}

static void
recovery_words_decode__shows_joined_words(void **state)
{
    (void)state;
    char joined[RECOVERY_TEXT_MAX];
    (void)snprintf(joined, sizeof(joined), "%s", counting_words);
    char *blank = strchr(joined, ' ');
    memmove(blank, blank + 1, strlen(blank));
    (void)assert_refused(joined, strlen(joined), "word 1, 'abandonantique'");
}

static void
recovery_words_decode__notices_words_that_changed_places(void **state)
{
    (void)state;
    unsigned refused = 0;
    unsigned swaps = 0;
    for (unsigned i = 0; i + 1 < RECOVERY_WORDS; i++) {
        struct phrase p = cut(counting_words);
        char other[64];
        if (strcmp(p.words[i], p.words[i + 1]) == 0) {
            continue;
        }
        memcpy(other, p.words[i], sizeof(other));
        memcpy(p.words[i], p.words[i + 1], sizeof(other));
        memcpy(p.words[i + 1], other, sizeof(other));
        uint8_t secret[32];
        uint8_t right[32];
        counting_secret(right);
        struct vv_error err = {0};
        swaps++;
        if (decode(&p, secret, &err) == VV_EKEY) {
            refused++;
            assert_non_null(strstr(err.message, "all 24 recovery words are in the word list"));
            assert_non_null(strstr(err.hint, "changed places"));
        } else {
            assert_memory_not_equal(secret, right, 32);
        }
    }
    /* An 8-bit check lets one in 256 pass; of this fixed phrase, two do (a separate program
     * agrees). */
    assert_int_equal(swaps, 23);
    assert_int_equal(refused, 21);
}

static void
recovery_words_decode__notices_exchanged_words(void **state)
{
    (void)state;
    unsigned passed = 0;
    for (unsigned word = 0; word < RECOVERY_WORD_COUNT; word++) {
        struct phrase p = cut(counting_words);
        if (strcmp(p.words[5], recovery_word_list[word]) == 0) {
            continue;
        }
        memcpy(p.words[5], recovery_word_list[word], RECOVERY_WORD_SIZE);
        uint8_t secret[32];
        passed += decode(&p, secret, NULL) == VV_OK;
    }
    /* 8 expected of 2047; the phrase is fixed. */
    assert_in_range(passed, 1, 20);
}

static void
recovery_words_decode__bounds_what_it_shows(void **state)
{
    (void)state;
    static char garbage[100000];
    memset(garbage, 'a', sizeof(garbage));
    struct vv_error err =
        assert_refused(garbage, sizeof(garbage), "word 1, 'aaaaaaaaaaaaaaaaaaaaaaaa...'");
    assert_true(strlen(err.message) < 100);
    memset(garbage, 0xff, sizeof(garbage));
    (void)assert_refused(garbage, sizeof(garbage), "word 1, ");
    memset(garbage, 0, sizeof(garbage));
    (void)assert_refused(garbage, sizeof(garbage), "there are 0");
}

static void
recovery_words_like__tells_words_from_passphrases(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool like;
    } cases[] = {
        {counting_words, true},
        {"1. ABANDON 2. Ability 3. about 4. above 5. absent 6. absorb 7. accent 8. account 9. acid "
         "10. acorn 11. acre 12. across",
         true},
        {"abandon ability aboud above absent absorb accent accout acid acorn acre akross", true},
        {"abandon ability about above absent absorb accent account acid acorn acre", false},
        {"abandon", false},
        {"", false},
        {"correct horse battery staple", false},
        {"the quick brown fox jumps over the lazy dog and then it goes home to its den", false},
        {"1 2 3 4 5 6 7 8 9 10 11 12 13 14", false},
    };
    for (size_t i = 0; i < VV_COUNT(cases); i++) {
        bool like = recovery_words_like(vv_span(cases[i].text, strlen(cases[i].text)));
        if (like != cases[i].like) {
            fail_msg("'%s' is taken for %s", cases[i].text, like ? "words" : "a passphrase");
        }
    }
    assert_false(recovery_words_like(vv_span(NULL, 0)));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recovery_word_list__keeps_its_promises),
        cmocka_unit_test(recovery_words__match_an_independent_encoder),
        cmocka_unit_test(recovery_words__round_trip_for_many_secrets),
        cmocka_unit_test(recovery_words_decode__accepts_what_people_type),
        cmocka_unit_test(recovery_words_decode__names_the_wrong_word_and_its_place),
        cmocka_unit_test(recovery_words_decode__names_the_first_of_several_wrong_words),
        cmocka_unit_test(recovery_words_decode__numbers_words_not_list_numbers),
        cmocka_unit_test(recovery_words_decode__does_not_split_words_at_digits),
        cmocka_unit_test(recovery_words_decode__counts_the_words),
        cmocka_unit_test(recovery_words_decode__shows_joined_words),
        cmocka_unit_test(recovery_words_decode__notices_words_that_changed_places),
        cmocka_unit_test(recovery_words_decode__notices_exchanged_words),
        cmocka_unit_test(recovery_words_decode__bounds_what_it_shows),
        cmocka_unit_test(recovery_words_like__tells_words_from_passphrases),
    };
    return cmocka_run_group_tests_name("crypto/recovery_words", tests, NULL, NULL);
}
