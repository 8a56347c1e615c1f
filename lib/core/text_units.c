/* SPDX-License-Identifier: BSD-2-Clause */
/* Sizes, counts and durations as text, and sizes from text.  Integers only: the result does not
 * depend on the locale. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/text.h"

#define SIZE_TEXT 24
#define TEXT_SIZE 32
#define FRACTION_DIGITS_MAX 9

static const char unit_letters[] = "KMGTPE";

void
vv_text_size(uint64_t bytes, char out[24])
{
    if (bytes < 1024) {
        snprintf(out, SIZE_TEXT, "%u B", (unsigned)bytes);
        return;
    }
    for (unsigned i = 0; unit_letters[i] != '\0'; i++) {
        unsigned shift = 10 * (i + 1);
        uint64_t whole = bytes >> shift;
        uint64_t rest = bytes & ((UINT64_C(1) << shift) - 1);
        /* At most 2^60 * 10 + 2^59: fits. */
        uint64_t tenths = whole * 10 + ((rest * 10 + (UINT64_C(1) << (shift - 1))) >> shift);
        if (tenths < 10240 || unit_letters[i + 1] == '\0') {
            snprintf(out, SIZE_TEXT, "%u.%u %ciB", (unsigned)(tenths / 10), (unsigned)(tenths % 10),
                     unit_letters[i]);
            return;
        }
    }
}

void
vv_text_count(uint64_t n, char out[32])
{
    char digits[TEXT_SIZE];
    int len = snprintf(digits, sizeof(digits), "%" PRIu64, n);
    char *to = out;

    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0) {
            *to++ = ',';
        }
        *to++ = digits[i];
    }
    *to = '\0';
}

void
vv_text_duration(uint64_t seconds, char out[32])
{
    uint64_t minutes = seconds / 60;
    uint64_t hours = minutes / 60;

    if (minutes == 0) {
        snprintf(out, TEXT_SIZE, "%" PRIu64 " s", seconds);
    } else if (hours == 0) {
        snprintf(out, TEXT_SIZE, "%" PRIu64 " min %02u s", minutes, (unsigned)(seconds % 60));
    } else if (hours < 24) {
        snprintf(out, TEXT_SIZE, "%" PRIu64 " h %02u min", hours, (unsigned)(minutes % 60));
    } else {
        snprintf(out, TEXT_SIZE, "%" PRIu64 " d %u h", hours / 24, (unsigned)(hours % 24));
    }
}

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The multiplier as a power of two for "", "B", "k", "KiB", " MiB", ...; false if it is none.
 * "kB" and "MB" mean thousands to some and 1024s to others: refused. */
static bool
parse_unit(const char *text, unsigned *ret_shift)
{
    if (*text == ' ') {
        text++;
        if (*text == '\0') {
            return false;
        }
    }
    if (*text == '\0' || strcmp(text, "B") == 0) {
        *ret_shift = 0;
        return true;
    }
    for (unsigned i = 0; unit_letters[i] != '\0'; i++) {
        if ((text[0] & ~0x20) == unit_letters[i]) {
            *ret_shift = 10 * (i + 1);
            return text[1] == '\0' ||
                   ((text[1] | 0x20) == 'i' && (text[2] & ~0x20) == 'B' && text[3] == '\0');
        }
    }
    return false;
}

bool
vv_text_parse_size(const char *text, uint64_t *ret)
{
    uint64_t whole = 0;
    uint64_t fraction = 0;
    uint64_t fraction_unit = 1;
    unsigned shift;

    if (!is_digit(*text)) {
        return false;
    }
    for (; is_digit(*text); text++) {
        if (__builtin_mul_overflow(whole, 10, &whole) ||
            __builtin_add_overflow(whole, (uint64_t)(*text - '0'), &whole)) {
            return false;
        }
    }
    bool has_fraction = *text == '.';
    if (has_fraction) {
        text++;
        unsigned digits = 0;
        for (; is_digit(*text) && digits < FRACTION_DIGITS_MAX; text++, digits++) {
            fraction = fraction * 10 + (uint64_t)(*text - '0');
            fraction_unit *= 10;
        }
        if (digits == 0) {
            return false;
        }
    }
    if (!parse_unit(text, &shift) || (has_fraction && shift == 0)) {
        return false;
    }
    if (whole > UINT64_MAX >> shift) {
        return false;
    }
    __extension__ typedef unsigned __int128 wide;
    uint64_t part = (uint64_t)(((wide)fraction << shift) / fraction_unit);
    uint64_t size;
    if (__builtin_add_overflow(whole << shift, part, &size)) {
        return false;
    }
    *ret = size;
    return true;
}
