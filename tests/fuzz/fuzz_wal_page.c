/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzz target: the first page of a segment of WAL, and names of files of WAL. */
#include "format/wal.h"
#include "fuzz_support.h"

/** Whatever is taken for a segment's name is the name of the segment it is taken for. */
static void
try_name(const char *text)
{
    static const uint32_t sizes[] = {WAL_SEGMENT_LEAST, 1u << 24, WAL_SEGMENT_MOST};
    struct wal_file_name n = wal_file_name_parse(text);

    for (size_t i = 0; i < VV_COUNT(sizes); i++) {
        char name[WAL_NAME];
        uint64_t number;
        if (n.kind == WAL_FILE_SEGMENT && wal_file_number(&n, sizes[i], &number)) {
            wal_name(n.timeline, number, sizes[i], name);
            fuzz_require(strcmp(name, text) == 0);
        }
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wal_first_page p;
    char text[64] = {0};
    uint64_t lsn;

    if (wal_first_page_decode(vv_span(data, size), &p, NULL) == VV_OK) {
        fuzz_require(size >= WAL_FIRST_PAGE && wal_segment_size_valid(p.segment_size) &&
                     p.start % p.segment_size == 0 && p.timeline != 0);
    }
    if (size > 0) {
        memcpy(text, data, size < sizeof(text) - 1 ? size : sizeof(text) - 1);
    }
    try_name(text);
    if (wal_lsn_parse(text, &lsn)) {
        char again[WAL_LSN_TEXT];
        uint64_t same;
        wal_lsn_text(lsn, again);
        fuzz_require(wal_lsn_parse(again, &same) && same == lsn);
    }
    return 0;
}
