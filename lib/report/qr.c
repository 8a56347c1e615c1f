/* SPDX-License-Identifier: BSD-2-Clause */
/* QR codes as text, by libqrencode where it is there. */
#include "report/qr.h"

#ifdef VARVE_HAVE_QRENCODE
#include <errno.h>
#include <qrencode.h>
#include <stdbool.h>
#include <string.h>

#define QUIET 4 /* light modules around, as the standard asks for */

/** Is the module at a place dark?  Outside it is not. */
static bool
is_dark(const QRcode *code, int x, int y)
{
    return x >= 0 && y >= 0 && x < code->width && y < code->width &&
           (code->data[y * code->width + x] & 1) != 0;
}

static void
draw(const QRcode *code, const char *indent, struct vv_buf *out)
{
    static const char *const blocks[4] = {" ", "\u2584", "\u2580",
                                          "\u2588"}; /* upper: 2, lower: 1 */

    for (int y = -QUIET; y < code->width + QUIET; y += 2) {
        vv_buf_put_text(out, indent);
        for (int x = -QUIET; x < code->width + QUIET; x++) {
            vv_buf_put_text(out, blocks[is_dark(code, x, y) * 2 + is_dark(code, x, y + 1)]);
        }
        vv_buf_put_text(out, "\n");
    }
}

enum vv_rc
qr_text(const char *text, const char *indent, struct vv_buf *out, struct vv_error *err)
{
    QRcode *code = QRcode_encodeString8bit(text, 0, QR_ECLEVEL_M);

    if (code == NULL) {
        return errno == ENOMEM ? vv_error_nomem(err)
                               : vv_error_set(err, VV_ELIMIT,
                                              "a text of %zu bytes makes no QR code", strlen(text));
    }
    draw(code, indent, out);
    memset(code->data, 0, (size_t)code->width * (size_t)code->width); /* it may be a secret */
    QRcode_free(code);
    return vv_buf_check(out, err);
}
#else
enum vv_rc
qr_text(const char *text, const char *indent, struct vv_buf *out, struct vv_error *err)
{
    (void)text;
    (void)indent;
    (void)out;
    return vv_error_set(err, VV_EUNSUPPORTED, "built without libqrencode: no QR codes");
}
#endif
