/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_FORMAT_KEY_SLOT_H
#define VARVE_FORMAT_KEY_SLOT_H

#include "format/common.h"

/*
 * Key slots `keys/<16 hexadecimal digits>-a` and `-b`: the same object, stored twice.
 * Kind K, body:
 *   u8 type | i64 created (ns) | u8 label length, label (UTF-8)
 *   u32 Argon2id passes, u32 memory in KiB (both 0 unless passphrase) | 16 B salt
 *   u16 length, copy of config | envelope (see envelope.h) holding the key bundle
 * Key-encryption key: passphrase: Argon2id13(passphrase, salt, passes, memory), 32 B; key file and
 * recovery words: the 32 secret bytes themselves.  The envelope's purpose is "key slot", its
 * additional data everything in the object before it.
 */
enum key_slot_type {
    KEY_SLOT_PASSPHRASE = 1,
    KEY_SLOT_KEY_FILE = 2,
    KEY_SLOT_RECOVERY = 3,
};

/** Bounds on Argon2id parameters: below the floor is refused as weak, above the cap as a bomb. */
#define ARGON2_FLOOR_PASSES 3u
#define ARGON2_FLOOR_KIB (64u << 10)
#define ARGON2_CAP_PASSES 16u
#define ARGON2_CAP_KIB (1u << 20)
#define ARGON2_DEFAULT_PASSES 3u
#define ARGON2_DEFAULT_KIB (256u << 10)

struct key_slot {
    struct vv_uuid repository;
    enum key_slot_type type;
    int64_t created;
    char label[LIMIT_LABEL + 1];
    uint32_t passes;
    uint32_t memory_kib;
    uint8_t salt[16];
    struct vv_span config;   /* on decode: borrowed from the object */
    struct vv_span envelope; /* on decode: borrowed from the object */
    struct vv_span prefix;   /* on decode: the object up to the envelope (additional data) */
};

/** key_slot_encode_prefix(s, out, err): header and body up to the envelope. */
MUST_CHECK enum vv_rc key_slot_encode_prefix(const struct key_slot *s, struct vv_buf *out,
                                             struct vv_error *err);
MUST_CHECK enum vv_rc key_slot_decode(struct vv_span object, struct key_slot *ret,
                                      struct vv_error *err);

/* The bundle inside, as tagged fields. */
enum key_role { KEY_ROLE_ADMIN = 1, KEY_ROLE_READER = 2, KEY_ROLE_WRITER = 3 };

#define BUNDLE_ROLE 1u          /* u64 enum key_role */
#define BUNDLE_CONFIG_HASH 2u   /* 32 B SHA-256 of config */
#define BUNDLE_ADMIN_PUBLIC 3u  /* 32 B */
#define BUNDLE_MASTER 4u        /* 32 B, role admin only */
#define BUNDLE_ADMIN_SEED 5u    /* 32 B Ed25519 seed, role admin only */
#define BUNDLE_CLIENT 6u        /* 16 B client id; this and what follows: roles reader and writer */
#define BUNDLE_CLIENT_SEED 7u   /* 32 B Ed25519 seed of that client */
#define BUNDLE_CLIENT_X25519 8u /* 32 B secret of that client */
#define BUNDLE_CHUNK_KEYS 9u    /* 160 B: id keys of data, node, list, record; chunker key */
#define BUNDLE_INDEX_KEY 10u    /* 32 B */
#define BUNDLE_EPOCH                                                                               \
    11u /* once or more, numbers ascending: u32 number | 32 B X25519 public key
                                   | 32 B writer key | role reader: 32 B reader secret */

/** Epochs are numbered from 0; there are never more. */
#define LIMIT_EPOCHS 128u

/** Keys of one epoch. */
struct epoch_keys {
    uint32_t number;
    uint8_t public_key[32]; /* X25519: what is sealed to it is for readers */
    uint8_t writer[32];
    uint8_t reader[32]; /* the secret of public_key; zeros for a writer */
};

/** A key bundle, decoded.  Fields another role has are zeros. */
struct key_bundle {
    enum key_role role;
    uint8_t config_hash[32];
    uint8_t admin_public[32];
    uint8_t master[32];
    uint8_t admin_seed[32];
    struct vv_uuid client;
    uint8_t client_seed[32];
    uint8_t client_x25519[32];
    uint8_t id_keys[4][32]; /* of data, node, list, record */
    uint8_t chunker_key[32];
    uint8_t index_key[32];
    uint32_t epoch_count;
    struct epoch_keys epochs[LIMIT_EPOCHS]; /* ascending */
};
MUST_CHECK enum vv_rc key_bundle_encode(const struct key_bundle *b, struct vv_buf *out,
                                        struct vv_error *err);
MUST_CHECK enum vv_rc key_bundle_decode(struct vv_span plain, struct key_bundle *ret,
                                        struct vv_error *err);

/*
 * Key file, plain text, mode 0400:
 *   varve key file 1
 *   repository <32 hexadecimal digits>
 *   key <64 hexadecimal digits>
 *   check <8 hexadecimal digits: first 4 bytes of BLAKE2b-256 over the three lines before>
 */
struct key_file {
    struct vv_uuid repository;
    uint8_t secret[32];
};
MUST_CHECK enum vv_rc key_file_encode(const struct key_file *f, struct vv_buf *out,
                                      struct vv_error *err);
/** key_file_decode(text, ret, err): says which line is wrong. */
MUST_CHECK enum vv_rc key_file_decode(struct vv_span text, struct key_file *ret,
                                      struct vv_error *err);

#endif
