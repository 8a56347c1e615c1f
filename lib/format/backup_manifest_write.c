/* SPDX-License-Identifier: BSD-2-Clause */
/* Writing a backup manifest, for copies of a cluster that no server has made. */
#include <string.h>
#include <time.h>

#include "crypto/hash.h"
#include "format/backup_manifest.h"
#include "format/wal.h"

void
manifest_write_begin(struct vv_buf *out)
{
    vv_buf_put_text(out, "{ \"PostgreSQL-Backup-Manifest-Version\": 1,\n\"Files\": [");
}

/* May it stand between quotation marks as it is? */
static bool
is_plain(struct vv_span path)
{
    for (size_t i = 0; i < path.len; i++) {
        uint8_t c = path.data[i];
        if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\') {
            return false;
        }
    }
    return true;
}

static void
put_hex(struct vv_buf *out, const uint8_t *bytes, size_t len)
{
    char digits[2 * 32 + 1];

    for (size_t piece; len > 0; bytes += piece, len -= piece) {
        piece = len < 32 ? len : 32;
        vv_hex(digits, bytes, piece);
        vv_buf_put_text(out, digits);
    }
}

void
manifest_write_file(struct vv_buf *out, const struct manifest_file *f, int64_t mtime)
{
    time_t seconds = (time_t)mtime;
    char when[64] = "1970-01-01 00:00:00 GMT";
    struct tm tm;
    uint8_t crc[4];

    if (gmtime_r(&seconds, &tm) != NULL) {
        (void)strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S GMT", &tm);
    }
    vv_buf_put_text(out, out->len > 0 && out->data[out->len - 1] == '[' ? "\n{ " : ",\n{ ");
    if (is_plain(f->path)) {
        vv_buf_put_text(out, "\"Path\": \"");
        vv_buf_put(out, f->path.data, f->path.len);
    } else {
        vv_buf_put_text(out, "\"Encoded-Path\": \"");
        put_hex(out, f->path.data, f->path.len);
    }
    vv_buf_printf(out, "\", \"Size\": %llu, \"Last-Modified\": \"%s\"", (unsigned long long)f->size,
                  when);
    if (f->algorithm == MANIFEST_CRC32C) {
        vv_store_u32(crc, f->crc32c);
        vv_buf_put_text(out, ", \"Checksum-Algorithm\": \"CRC32C\", \"Checksum\": \"");
        put_hex(out, crc, sizeof(crc));
        vv_buf_put_text(out, "\"");
    }
    vv_buf_put_text(out, " }");
}

void
manifest_write_end(struct vv_buf *out, const struct manifest_wal *wal)
{
    char start[WAL_LSN_TEXT];
    char end[WAL_LSN_TEXT];
    uint8_t sum[32];

    wal_lsn_text(wal->start, start);
    wal_lsn_text(wal->end, end);
    vv_buf_printf(out,
                  "\n],\n\"WAL-Ranges\": [\n{ \"Timeline\": %u, \"Start-LSN\": \"%s\", "
                  "\"End-LSN\": \"%s\" }\n],\n",
                  wal->timeline, start, end);
    sha256(out->data, out->len, sum);
    vv_buf_put_text(out, "\"Manifest-Checksum\": \"");
    put_hex(out, sum, sizeof(sum));
    vv_buf_put_text(out, "\"}\n");
}
