/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPORT_QR_H
#define VARVE_REPORT_QR_H

#include "core/bytes.h"
#include "core/error.h"

/**
 * qr_text(text, indent, out, err): append ${text} as a QR code (error correction M) drawn with block
 * characters, two rows a line, each line indented by ${indent}, with the quiet zone around it; dark
 * on light when printed on paper.  VV_EUNSUPPORTED if varve was built without libqrencode,
 * VV_ELIMIT if ${text} is too long for one.
 */
MUST_CHECK enum vv_rc qr_text(const char *text, const char *indent, struct vv_buf *out,
                              struct vv_error *err);

#endif
