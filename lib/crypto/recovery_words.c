/* SPDX-License-Identifier: BSD-2-Clause */
/* A 256-bit secret as 24 words people can write down, and back, with errors that help. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "crypto/hash.h"
#include "crypto/passphrase.h"
#include "crypto/secret.h"
#include "crypto/words.h"

#define WORD_BITS 11u
#define SHOWN_MAX 24u /* bytes of a wrong word that are worth showing */

static_assert(RECOVERY_WORDS * WORD_BITS == 33 * 8, "secret and check fill the words exactly");
static_assert(RECOVERY_WORDS * RECOVERY_WORD_SIZE <= RECOVERY_TEXT_MAX, "the text fits");

/* One word as typed. */
struct token {
    const uint8_t *at;
    size_t len;
};

static uint8_t
check_byte(const uint8_t secret[32])
{
    static const char label[] = "varve recovery words";
    const struct vv_span parts[] = {vv_span(secret, 32), vv_span(label, sizeof(label) - 1)};
    uint8_t hash[32];
    blake2b_256(NULL, 0, parts, VV_COUNT(parts), hash);
    uint8_t check = hash[0];
    crypto_wipe(hash, sizeof(hash));
    return check;
}

void
recovery_words_encode(const uint8_t secret[32], char out[RECOVERY_TEXT_MAX])
{
    uint32_t bits = 0; /* the lowest `have` bits are not written yet */
    unsigned have = 0;
    char *to = out;
    for (unsigned i = 0; i < 33; i++) {
        bits = bits << 8 | (i < 32 ? secret[i] : check_byte(secret));
        have += 8;
        if (have >= WORD_BITS) {
            have -= WORD_BITS;
            const char *word = recovery_word_list[bits >> have & (RECOVERY_WORD_COUNT - 1)];
            size_t len = strlen(word);
            if (to != out) {
                *to++ = ' ';
            }
            memcpy(to, word, len);
            to += len;
        }
    }
    *to = '\0';
    crypto_wipe(&bits, sizeof(bits));
}

/* What stands between words: blanks, and the punctuation of numbered lists. */
static bool
is_separator(uint8_t c)
{
    return c == 0 || c == ' ' || (c >= '\t' && c <= '\r') || strchr(".,;:()", c) != NULL;
}

static bool
is_number(const struct token *t)
{
    for (size_t i = 0; i < t->len; i++) {
        if (t->at[i] < '0' || t->at[i] > '9') {
            return false;
        }
    }
    return true;
}

/* The next word of ${r}; numbers are passed over.  False at the end. */
static bool
next_word(struct vv_reader *r, struct token *ret)
{
    for (;;) {
        while (r->at < r->end && is_separator(*r->at)) {
            r->at++;
        }
        ret->at = r->at;
        while (r->at < r->end && !is_separator(*r->at)) {
            r->at++;
        }
        ret->len = (size_t)(r->at - ret->at);
        if (ret->len == 0) {
            return false;
        }
        if (!is_number(ret)) {
            return true;
        }
    }
}

/* ${t} as text in lower case, cut to fit. */
static void
lower_text(const struct token *t, char *out, size_t size)
{
    size_t n = t->len < size - 1 ? t->len : size - 1;
    for (size_t i = 0; i < n; i++) {
        uint8_t c = t->at[i];
        out[i] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
    out[n] = '\0';
}

static int
compare_words(const void *key, const void *element)
{
    return strcmp(key, element);
}

/* The number of a word in the list, or -1. */
static int
find_word(const struct token *t)
{
    char word[RECOVERY_WORD_SIZE];
    if (t->len >= sizeof(word)) {
        return -1;
    }
    lower_text(t, word, sizeof(word));
    const char *found =
        bsearch(word, recovery_word_list, RECOVERY_WORD_COUNT, RECOVERY_WORD_SIZE, compare_words);
    crypto_wipe(word, sizeof(word));
    return found == NULL ? -1 : (int)((found - recovery_word_list[0]) / (int)RECOVERY_WORD_SIZE);
}

/* The word that was probably meant: the only one with these first four letters, or the nearest. */
static const char *
suggest_word(const char *typed)
{
    const char *all[RECOVERY_WORD_COUNT];
    for (unsigned i = 0; i < RECOVERY_WORD_COUNT; i++) {
        all[i] = recovery_word_list[i];
        if (strncmp(typed, all[i], 4) == 0) {
            return all[i];
        }
    }
    return vv_text_nearest(typed, all, RECOVERY_WORD_COUNT);
}

static enum vv_rc
unknown_word(unsigned place, const struct token *t, struct vv_error *err)
{
    char typed[SHOWN_MAX + 1];
    lower_text(t, typed, sizeof(typed));
    enum vv_rc rc = vv_error_set(err, VV_EKEY, "recovery word %u, '%s%s', is not in the word list",
                                 place, typed, t->len > SHOWN_MAX ? "..." : "");
    const char *meant = suggest_word(typed);
    if (meant != NULL) {
        vv_error_hint(err, "perhaps '%s' is meant", meant);
    }
    crypto_wipe(typed, sizeof(typed));
    return rc;
}

enum vv_rc
recovery_words_decode(struct vv_span text, uint8_t secret[32], struct vv_error *err)
{
    uint8_t bytes[33] = {0};
    unsigned count = 0;
    struct vv_reader r = vv_reader(text.data, text.len);
    struct token t;
    enum vv_rc rc = VV_OK;
    while (rc == VV_OK && next_word(&r, &t)) {
        int number = find_word(&t);
        if (number < 0) {
            rc = unknown_word(count + 1, &t, err);
        } else if (count < RECOVERY_WORDS) {
            for (unsigned i = 0; i < WORD_BITS; i++) {
                unsigned bit = count * WORD_BITS + i;
                unsigned set = (unsigned)number >> (WORD_BITS - 1 - i) & 1u;
                bytes[bit / 8] |= (uint8_t)(set << (7 - bit % 8));
            }
        }
        count++;
    }
    if (rc == VV_OK && count != RECOVERY_WORDS) {
        rc = vv_error_set(err, VV_EKEY, "there are %u recovery words where %u are needed", count,
                          RECOVERY_WORDS);
        vv_error_hint(err, "%s",
                      count < RECOVERY_WORDS ? "a word is missing, or two are joined"
                                             : "a word was entered twice");
    } else if (rc == VV_OK && check_byte(bytes) != bytes[32]) {
        rc = vv_error_set(err, VV_EKEY,
                          "all %u recovery words are in the word list, but together they are wrong",
                          RECOVERY_WORDS);
        vv_error_hint(err, "words may have changed places, or one was taken for another");
    }
    if (rc == VV_OK) {
        memcpy(secret, bytes, 32);
    }
    crypto_wipe(bytes, sizeof(bytes));
    return rc;
}

bool
recovery_words_like(struct vv_span text)
{
    size_t words = 0;
    size_t known = 0;
    struct vv_reader r = vv_reader(text.data, text.len);
    struct token t;
    while (next_word(&r, &t)) {
        words++;
        known += find_word(&t) >= 0;
    }
    return words >= 12 && known >= words - words / 4;
}
