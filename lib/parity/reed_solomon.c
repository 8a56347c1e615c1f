/* SPDX-License-Identifier: BSD-2-Clause */
/* Reed-Solomon 32+2 by ISA-L. */

#include "parity/reed_solomon.h"

#include <isa-l/erasure_code.h>
#include <limits.h>
#include <string.h>

#define TABLE_BYTES 32u    /* ISA-L's expanded form of one coefficient */
#define RUN_MAX (1u << 30) /* bytes handed over at once; ISA-L counts in int */

/** The generator: 32 rows that copy, one of ones, one of powers of two. */
static void
generator(uint8_t matrix[PARITY_SHARDS * PARITY_DATA])
{
    gf_gen_rs_matrix(matrix, (int)PARITY_SHARDS, (int)PARITY_DATA);
}

/** out[r] = sum of rows[r][i] * in[i], for ${row_count} rows. */
static void
multiply(uint8_t *rows, unsigned row_count, unsigned char *in[PARITY_DATA],
         unsigned char *out[PARITY_CODE], size_t len)
{
    uint8_t tables[TABLE_BYTES * PARITY_DATA * PARITY_CODE];

    ec_init_tables((int)PARITY_DATA, (int)row_count, rows, tables);
    while (len > 0) {
        size_t run = len < RUN_MAX ? len : RUN_MAX;
        ec_encode_data((int)run, (int)PARITY_DATA, (int)row_count, tables, in, out);
        for (unsigned i = 0; i < PARITY_DATA; i++) {
            in[i] += run;
        }
        for (unsigned i = 0; i < row_count; i++) {
            out[i] += run;
        }
        len -= run;
    }
}

void
reed_solomon_encode(const uint8_t *const data[PARITY_DATA], uint8_t *const code[PARITY_CODE],
                    size_t len)
{
    uint8_t matrix[PARITY_SHARDS * PARITY_DATA];
    unsigned char *in[PARITY_DATA]; /* ISA-L reads them only, but does not say so */
    unsigned char *out[PARITY_CODE];

    memcpy(in, data, sizeof(in));
    memcpy(out, code, sizeof(out));
    generator(matrix);
    multiply(matrix + (size_t)PARITY_DATA * PARITY_DATA, PARITY_CODE, in, out, len);
}

static bool
is_lost(unsigned shard, const unsigned *lost, unsigned lost_count)
{
    for (unsigned i = 0; i < lost_count; i++) {
        if (lost[i] == shard) {
            return true;
        }
    }
    return false;
}

bool
reed_solomon_rebuild(uint8_t *const shards[PARITY_SHARDS], const unsigned *lost,
                     unsigned lost_count, size_t len)
{
    uint8_t matrix[PARITY_SHARDS * PARITY_DATA];
    uint8_t present[PARITY_DATA * PARITY_DATA]; /* rows of the shards used */
    uint8_t inverse[PARITY_DATA * PARITY_DATA]; /* what makes data of them */
    uint8_t rows[PARITY_CODE * PARITY_DATA];
    unsigned char *in[PARITY_DATA];
    unsigned char *out[PARITY_CODE];
    unsigned used = 0;

    if (lost_count == 0) {
        return true;
    }
    if (lost_count > PARITY_CODE || lost[lost_count - 1] >= PARITY_SHARDS ||
        (lost_count == 2 && lost[0] >= lost[1])) {
        return false;
    }
    generator(matrix);
    for (unsigned i = 0; used < PARITY_DATA; i++) {
        if (!is_lost(i, lost, lost_count)) {
            memcpy(present + (size_t)used * PARITY_DATA, matrix + (size_t)i * PARITY_DATA,
                   PARITY_DATA);
            in[used++] = shards[i];
        }
    }
    if (gf_invert_matrix(present, inverse, (int)PARITY_DATA) != 0) {
        return false;
    }
    for (unsigned l = 0; l < lost_count; l++) {
        const uint8_t *row = matrix + (size_t)lost[l] * PARITY_DATA;
        for (unsigned j = 0; j < PARITY_DATA; j++) {
            uint8_t sum = 0;
            for (unsigned i = 0; i < PARITY_DATA; i++) {
                sum ^= gf_mul(row[i], inverse[(size_t)i * PARITY_DATA + j]);
            }
            rows[(size_t)l * PARITY_DATA + j] = sum;
        }
        out[l] = shards[lost[l]];
    }
    multiply(rows, lost_count, in, out, len);
    return true;
}
