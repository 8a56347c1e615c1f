/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzz target: a backup manifest; its checksum is made right, or nothing would get past it. */
#include "crypto/hash.h"
#include "format/backup_manifest.h"
#include "fuzz_support.h"

static enum vv_rc
take_file(void *ctx, const struct manifest_file *f, struct vv_error *err)
{
    (void)ctx;
    (void)err;
    fuzz_require(f->path.len > 0 && f->path.len <= LIMIT_MANIFEST_PATH);
    return VV_OK;
}

static enum vv_rc
take_wal(void *ctx, const struct manifest_wal *w, struct vv_error *err)
{
    (void)ctx;
    (void)err;
    fuzz_require(w->timeline > 0 && w->start <= w->end);
    return VV_OK;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct manifest_calls calls = {.file = take_file, .wal = take_wal};
    struct vv_buf text = {0};
    uint8_t sum[32];
    char hex[65];

    vv_buf_put(&text, data, size);
    vv_buf_put_u8(&text, '\n');
    sha256(text.data, text.len, sum);
    vv_hex(hex, sum, sizeof(sum));
    vv_buf_printf(&text, "\"Manifest-Checksum\": \"%s\"}\n", hex);
    (void)!manifest_read(vv_buf_span(&text), &calls, NULL);
    (void)!manifest_read(vv_span(data, size), &calls, NULL);
    vv_buf_release(&text);
    return 0;
}
