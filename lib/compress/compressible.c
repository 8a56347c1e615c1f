/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Is it worth compressing?  Two looks at a few KiB of a block, at a small fraction of the cost of
 * trying: are byte values uneven (then Huffman coding saves something), and does content of a few
 * windows occur again elsewhere (then matches do, however even the bytes)?
 */
#include <string.h>

#include "compress/compress.h"

#define ALWAYS_TRY_BELOW 1024u /* too short to tell, and cheap */

#define SAMPLE_LEN 256u
#define SAMPLES_MIN 8u
#define SAMPLES_MAX 64u
#define SAMPLE_EVERY 4096u

#define WINDOWS 4u
#define WINDOW_MIN 128u
#define WINDOW_MAX 4096u
#define ANCHORS_MAX 1024u
#define SLOT_BITS 12u
#define MATCH_LEN 32u /* equal bytes that count as a repeat */

/* Where the sum of squared counts of n even random bytes is n + n^2/256, every byte value being
 * sqrt(e) off its share adds e * n^2/256.  e = 0.05 saves about 0.5 % of the length. */
static bool
histogram_is_uneven(struct vv_span data)
{
    uint32_t counts[4][256] = {{0}}; /* four, so that runs of one value do not wait for stores */
    size_t samples = data.len / SAMPLE_EVERY;
    samples = samples < SAMPLES_MIN ? SAMPLES_MIN : samples > SAMPLES_MAX ? SAMPLES_MAX : samples;
    samples = samples < data.len / SAMPLE_LEN ? samples : data.len / SAMPLE_LEN;
    size_t distance = (data.len - SAMPLE_LEN) / (samples - 1);
    for (size_t s = 0; s < samples; s++) {
        const uint8_t *p = data.data + s * distance;
        for (size_t i = 0; i < SAMPLE_LEN; i += 4) {
            counts[0][p[i]]++;
            counts[1][p[i + 1]]++;
            counts[2][p[i + 2]]++;
            counts[3][p[i + 3]]++;
        }
    }
    uint64_t n = samples * SAMPLE_LEN;
    uint64_t squares = 0;
    for (unsigned i = 0; i < 256; i++) {
        uint64_t count = (uint64_t)counts[0][i] + counts[1][i] + counts[2][i] + counts[3][i];
        squares += count * count;
    }
    uint64_t even = n + n * n / 256;
    return squares > even + n * n / 256 / 20;
}

static uint32_t
slot_of(const uint8_t *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof(word));
    return (uint32_t)((word * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - SLOT_BITS));
}

/* Anchors stand at most a window's length apart (in blocks up to 4 MiB), so a window that occurs
 * again, wherever that is, meets an anchor there. */
static bool
content_repeats(struct vv_span data)
{
    size_t window = data.len / 64;
    window = window < WINDOW_MIN ? WINDOW_MIN : window > WINDOW_MAX ? WINDOW_MAX : window;
    size_t distance = window > data.len / ANCHORS_MAX ? window : data.len / ANCHORS_MAX;
    size_t places = data.len - MATCH_LEN;    /* where MATCH_LEN bytes can be looked at */
    uint16_t anchors[1u << SLOT_BITS] = {0}; /* number of the anchor in a slot, from 1 */
    for (size_t i = 0; i * distance < places && i < UINT16_MAX; i++) {
        anchors[slot_of(data.data + i * distance)] = (uint16_t)(i + 1);
    }
    for (size_t w = 0; w < WINDOWS; w++) {
        size_t from = data.len / WINDOWS * w;
        size_t to = from + window < places ? from + window : places;
        for (size_t i = from; i < to; i++) {
            size_t anchor = anchors[slot_of(data.data + i)];
            if (anchor != 0 && (anchor - 1) * distance != i &&
                memcmp(data.data + (anchor - 1) * distance, data.data + i, MATCH_LEN) == 0) {
                return true;
            }
        }
    }
    return false;
}

bool
compressible(struct vv_span data)
{
    return data.len < ALWAYS_TRY_BELOW || histogram_is_uneven(data) || content_repeats(data);
}
