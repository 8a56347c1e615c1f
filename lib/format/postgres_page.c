/* SPDX-License-Identifier: BSD-2-Clause */
#include "format/postgres_page.h"

#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"

#define SUMS 32u
#define ROW (SUMS * sizeof(uint32_t))
#define PRIME 16777619u
#define CHECKSUM_AT 8u
#define UPPER_AT 14u /* end of free space: 0 on a page never used */

static const uint32_t bases[SUMS] = {
    0x5b1f36e9, 0xb8525960, 0x02ab50aa, 0x1de66d2a, 0x79ff467a, 0x9bb9f8a3, 0x217e7cd2, 0x83e13d2c,
    0xf8d4474f, 0xe39eb970, 0x42c6ae16, 0x993216fa, 0x7b093b5d, 0x98daff3c, 0xf718902a, 0x0b1c9cdb,
    0xe58f764b, 0x187636bc, 0x5d7b3bb1, 0xe73de7de, 0x92bec979, 0xcca6c0b2, 0x304a0979, 0x85aa43d4,
    0x783125bb, 0x6ca8eaa2, 0xe407eac6, 0x4b5cfc3e, 0x9fbf8c76, 0x15ca20be, 0xf2ca9fd3, 0x959bd756};

static void
mix(uint32_t sums[SUMS], const uint32_t words[SUMS])
{
    for (unsigned j = 0; j < SUMS; j++) {
        uint32_t v = sums[j] ^ words[j];
        sums[j] = v * PRIME ^ v >> 17;
    }
}

/* Rows of 32 words from ${at} on. */
static void
add_rows(uint32_t sums[SUMS], const uint8_t *page, size_t at, size_t size)
{
    uint32_t words[SUMS];

    for (; at < size; at += ROW) {
        for (unsigned j = 0; j < SUMS; j++) {
            words[j] = vv_load_u32(page + at + j * sizeof(words[0]));
        }
        mix(sums, words);
    }
}

#if defined(__x86_64__)
typedef uint32_t eight __attribute__((vector_size(32)));

/* The same, eight sums in a register. */
__attribute__((target("avx2"))) static void
add_rows_avx2(uint32_t sums[SUMS], const uint8_t *page, size_t at, size_t size)
{
    eight s[4];

    memcpy(s, sums, sizeof(s));
    for (; at < size; at += ROW) {
        for (unsigned j = 0; j < 4; j++) {
            eight v;
            memcpy(&v, page + at + j * sizeof(v), sizeof(v));
            v ^= s[j];
            s[j] = v * PRIME ^ v >> 17;
        }
    }
    memcpy(sums, s, sizeof(s));
}
#endif

static uint16_t
checksum(const uint8_t *page, size_t size, uint32_t block, bool portable)
{
    uint32_t sums[SUMS];
    uint32_t words[SUMS];
    uint32_t all = 0;

    memcpy(sums, bases, sizeof(sums));
    for (unsigned j = 0; j < SUMS; j++) {
        words[j] = vv_load_u32(page + j * sizeof(words[0]));
    }
    words[CHECKSUM_AT / sizeof(words[0])] &= 0xffff0000u; /* the checksum's own 16 bits */
    mix(sums, words);
#if defined(__x86_64__)
    if (!portable && __builtin_cpu_supports("avx2")) {
        add_rows_avx2(sums, page, ROW, size);
    } else {
        add_rows(sums, page, ROW, size);
    }
#else
    (void)portable;
    add_rows(sums, page, ROW, size);
#endif
    memset(words, 0, sizeof(words));
    mix(sums, words);
    mix(sums, words);
    for (unsigned j = 0; j < SUMS; j++) {
        all ^= sums[j];
    }
    return (uint16_t)((all ^ block) % 65535 + 1);
}

uint16_t
postgres_page_checksum(const uint8_t *page, size_t size, uint32_t block)
{
    return checksum(page, size, block, false);
}

uint16_t
postgres_page_checksum_portable(const uint8_t *page, size_t size, uint32_t block)
{
    return checksum(page, size, block, true);
}

bool
postgres_page_is_bad(const uint8_t *page, size_t size, uint32_t block, uint64_t start)
{
    /* An LSN is stored as two halves, the higher one first. */
    uint64_t changed = (uint64_t)vv_load_u32(page) << 32 | vv_load_u32(page + 4);
    uint16_t carried = (uint16_t)(page[CHECKSUM_AT] | page[CHECKSUM_AT + 1] << 8);
    bool unused = page[UPPER_AT] == 0 && page[UPPER_AT + 1] == 0;

    return !unused && changed < start && postgres_page_checksum(page, size, block) != carried;
}

/* The rest behind a directory of digits, NULL if it is another. */
static const char *
below_number(const char *path)
{
    size_t n = strspn(path, "0123456789");

    return n > 0 && path[n] == '/' ? path + n + 1 : NULL;
}

static const char *
below(const char *path, const char *directory)
{
    size_t n = strlen(directory);

    return strncmp(path, directory, n) == 0 ? path + n : NULL;
}

/* "16384", "t3_16384" (a temporary one), with "_vm" and the like, and ".2". */
static struct postgres_relation_file
judge_name(const char *name)
{
    struct postgres_relation_file none = {0};
    struct postgres_relation_file r = {.is_relation = true};
    static const char *const forks[] = {"_fsm", "_vm", "_init"};
    size_t n;

    if (name[0] == 't' && (n = strspn(name + 1, "0123456789")) > 0 && name[1 + n] == '_') {
        name += n + 2;
    }
    n = strspn(name, "0123456789");
    if (n == 0 || n > 10) {
        return none;
    }
    name += n;
    for (size_t i = 0; i < sizeof(forks) / sizeof(forks[0]); i++) {
        const char *rest = below(name, forks[i]);
        name = rest != NULL ? rest : name;
    }
    if (*name == '.') {
        n = strspn(name + 1, "0123456789");
        if (n == 0 || n > 9) {
            return none;
        }
        r.segment = (uint32_t)strtoul(name + 1, NULL, 10);
        name += n + 1;
    }
    return *name == '\0' ? r : none;
}

struct postgres_relation_file
postgres_relation_file(const char *path)
{
    struct postgres_relation_file none = {0};
    const char *rest = below(path, "global/");

    if (rest != NULL) {
        return judge_name(rest);
    }
    rest = below(path, "base/");
    if (rest == NULL) {
        rest = below(path, "pg_tblspc/");
        rest = rest != NULL ? below_number(rest) : NULL;
        rest = rest != NULL && strncmp(rest, "PG_", 3) == 0 ? strchr(rest, '/') : NULL;
        rest = rest != NULL ? rest + 1 : NULL;
    }
    rest = rest != NULL ? below_number(rest) : NULL;
    return rest != NULL ? judge_name(rest) : none;
}
