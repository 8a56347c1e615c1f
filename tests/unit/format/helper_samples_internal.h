/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_TESTS_HELPER_SAMPLES_INTERNAL_H
#define VARVE_TESTS_HELPER_SAMPLES_INTERNAL_H

#include "helper_samples.h"

/* The samples' builders and decoders, which the table in helper_samples.c names. */

#define OK(call) sample_ok((call) == VV_OK, #call)

/** sample_sign_and_finish(out): a signature and the trailer. */
void sample_sign_and_finish(struct vv_buf *out);

void build_certificate(struct vv_buf *out);
void build_revocation(struct vv_buf *out);
void build_epoch(struct vv_buf *out);
void build_grave(struct vv_buf *out);
void build_suspect(struct vv_buf *out);
void build_forget(struct vv_buf *out);
void build_forget_end(struct vv_buf *out);
void build_pin(struct vv_buf *out);
void build_listed(struct vv_buf *out);
void build_accepted(struct vv_buf *out);
MUST_CHECK enum vv_rc decode_admin(struct vv_span bytes, struct vv_error *err);
void build_condemned(struct vv_buf *out);
MUST_CHECK enum vv_rc decode_condemned(struct vv_span bytes, struct vv_error *err);
void build_site(struct vv_buf *out);
MUST_CHECK enum vv_rc decode_site(struct vv_span bytes, struct vv_error *err);
void build_leaf(struct vv_buf *out);
void build_inner(struct vv_buf *out);
MUST_CHECK enum vv_rc decode_node(struct vv_span bytes, struct vv_error *err);
void build_list(struct vv_buf *out);
void build_list_of_lists(struct vv_buf *out);
MUST_CHECK enum vv_rc decode_list(struct vv_span bytes, struct vv_error *err);
void build_xattrs(struct vv_buf *out);
MUST_CHECK enum vv_rc decode_xattrs(struct vv_span bytes, struct vv_error *err);
void build_extents(struct vv_buf *out);
MUST_CHECK enum vv_rc decode_extents(struct vv_span bytes, struct vv_error *err);
void build_parity_object(struct vv_buf *out);
MUST_CHECK enum vv_rc decode_parity_object(struct vv_span bytes, struct vv_error *err);
void build_parity_decision(struct vv_buf *out);
MUST_CHECK enum vv_rc decode_parity_decision(struct vv_span bytes, struct vv_error *err);

#endif
