/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_SSH_SSH_KEY_H
#define VARVE_SSH_SSH_KEY_H

#include <stdbool.h>

#include "core/bytes.h"

/* Keys as ssh writes them: types, fingerprints, base64, and what a private key file tells without
 * its passphrase.  Pure functions over bytes. */

enum ssh_key_type {
    SSH_KEY_UNKNOWN,
    SSH_KEY_ED25519,
    SSH_KEY_ECDSA_256,
    SSH_KEY_ECDSA_384,
    SSH_KEY_ECDSA_521,
    SSH_KEY_RSA,
    SSH_KEY_DSA,
    SSH_KEY_SK_ED25519,
    SSH_KEY_SK_ECDSA,
    SSH_KEY_CERTIFICATE, /* of whatever type */
    SSH_KEY_TYPES,
};
/** A set of types: bits 1u << type. */
typedef unsigned ssh_key_types;

/** What libssh2 1.10 can sign with and verify such that a present server agrees: it knows RSA with
 *  SHA-1 only, and neither security keys nor certificates. */
#define SSH_KEY_TYPES_LIBSSH2                                                                      \
    (1u << SSH_KEY_ED25519 | 1u << SSH_KEY_ECDSA_256 | 1u << SSH_KEY_ECDSA_384 |                   \
     1u << SSH_KEY_ECDSA_521)

/** ssh_key_type_name(type): as in known_hosts ("ssh-ed25519"); "" if it has none.
 *  ssh_key_type_label(type): as people say it ("ED25519"). */
const char *ssh_key_type_name(enum ssh_key_type type);
const char *ssh_key_type_label(enum ssh_key_type type);
/** ssh_key_type_from_name(name): of the text in known_hosts or at the beginning of a key. */
enum ssh_key_type ssh_key_type_from_name(struct vv_span name);
/** ssh_key_type_of(key): of a public key as sent over the wire. */
enum ssh_key_type ssh_key_type_of(struct vv_span key);
/** ssh_key_name_of(key): the name a public key begins with; empty if it has none. */
struct vv_span ssh_key_name_of(struct vv_span key);

#define SSH_FINGERPRINT_SIZE 64
/** ssh_key_fingerprint(key, out): "SHA256:" and 43 characters, as ssh-keygen -l shows it. */
void ssh_key_fingerprint(struct vv_span key, char out[SSH_FINGERPRINT_SIZE]);
/** ssh_key_fingerprint_same(a, b): equal but for padding and a missing "SHA256:". */
bool ssh_key_fingerprint_same(const char *a, const char *b);
/** ssh_key_fingerprint_valid(text): can be one ("SHA256:" may be missing). */
bool ssh_key_fingerprint_valid(const char *text);

/** ssh_base64_encode(out, data): append, with padding. */
void ssh_base64_encode(struct vv_buf *out, struct vv_span data);
/** ssh_base64_decode(out, text): append; line ends are skipped; false, and ${out} of no use, if it
 *  is anything but base64 with correct padding (or without any). */
MUST_CHECK bool ssh_base64_decode(struct vv_buf *out, struct vv_span text);

/** What a private key file says about itself. */
struct ssh_key_file {
    enum ssh_key_type type; /* SSH_KEY_UNKNOWN: PKCS#8, which does not tell without decoding */
    bool encrypted;
    struct vv_buf public_key; /* of OpenSSH's own format; else empty */
};
/** ssh_key_file_parse(text, ret, err): OpenSSH's format, PEM and PKCS#8; VV_EUNSUPPORTED if it is
 *  none of these.  Release with ssh_key_file_release. */
MUST_CHECK enum vv_rc ssh_key_file_parse(struct vv_span text, struct ssh_key_file *ret,
                                         struct vv_error *err);
void ssh_key_file_release(struct ssh_key_file *f);

#endif
