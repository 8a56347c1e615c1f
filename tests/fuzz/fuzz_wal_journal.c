/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzz target: records of a receiver's journal.  What is read is what was written, up to the first
 * record that is not whole. */
#include <sys/mman.h>
#include <unistd.h>

#include "core/file.h"
#include "engine/wal_journal_internal.h"
#include "fuzz_support.h"

#define START UINT64_C(0x3000000)
enum { RAW = 1, CHANGED = 2, CUT = 4 };

static int
file_of(struct vv_span content)
{
    int fd = memfd_create("journal", MFD_CLOEXEC);

    fuzz_require(fd >= 0 &&
                 vv_fd_pwrite_full(fd, content.data, content.len, 0, "journal", NULL) == VV_OK);
    return fd;
}

/** Read records until there is none; their bytes to ${out}.  Where the last one ends. */
static uint64_t
read_all(int fd, size_t size, struct vv_buf *out)
{
    struct vv_buf data = {0};
    uint64_t at = 0;
    uint64_t next = 0;

    for (;;) {
        fuzz_require(journal_next_record(fd, "journal", at, START + out->len, &data, &next, NULL) ==
                     VV_OK);
        if (next == 0) {
            break;
        }
        fuzz_require(next <= size && data.len > 0 && next == at + JOURNAL_RECORD + data.len);
        vv_buf_put(out, data.data, data.len);
        at = next;
    }
    vv_buf_release(&data);
    return at;
}

/** Records of the input: each a length and so many bytes of it. */
static void
build(struct vv_span in, struct vv_buf *file, struct vv_buf *content)
{
    while (in.len > 1) {
        size_t len = (size_t)in.data[0] + 1;
        len = len < in.len - 1 ? len : in.len - 1;
        struct vv_span data = vv_span(in.data + 1, len);
        vv_buf_put_u32(file, (uint32_t)len);
        vv_buf_put_u64(file, START + content->len);
        vv_buf_put_u64(file, journal_record_checksum(START + content->len, data));
        vv_buf_put(file, data.data, len);
        vv_buf_put(content, data.data, len);
        in = vv_span(in.data + 1 + len, in.len - 1 - len);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vv_buf file = {0};
    struct vv_buf content = {0};
    struct vv_buf got = {0};
    size_t changed;
    uint64_t end;
    int fd;

    if (size < 3) {
        return 0;
    }
    if ((data[0] & RAW) != 0) {
        vv_buf_put(&file, data + 1, size - 1);
    } else {
        build(vv_span(data + 3, size - 3), &file, &content);
    }
    changed = file.len;
    if ((data[0] & (RAW | CHANGED)) == CHANGED && file.len > 0) {
        changed = (data[1] | (size_t)data[2] << 8) % file.len;
        file.data[changed] ^= 1;
    } else if ((data[0] & (RAW | CUT)) == CUT && file.len > 0) {
        changed = (data[1] | (size_t)data[2] << 8) % file.len;
        file.len = changed;
    }
    fuzz_require(!file.failed && !content.failed);
    fd = file_of(vv_buf_span(&file));
    end = read_all(fd, file.len, &got);
    vv_fd_close(fd);
    if ((data[0] & RAW) == 0) {
        fuzz_require(end <= changed && got.len <= content.len &&
                     (got.len == 0 || memcmp(got.data, content.data, got.len) == 0));
        fuzz_require(changed != file.len || (data[0] & CUT) != 0 || end == file.len);
    }
    vv_buf_release(&file);
    vv_buf_release(&content);
    vv_buf_release(&got);
    return 0;
}
