/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_FORMAT_ADMIN_H
#define VARVE_FORMAT_ADMIN_H

#include "format/snapshot.h"

/*
 * Administrator's records `admin/<type>-<name>` (kind A), signed by the administrator:
 *   16 B site (zeros: valid on every site) | u8 type | i64 time | 16 random bytes | u32 length,
 *   payload | signature | trailer
 * Names: certificate-<client>-<n>, revocation-<client>-<n>, epoch-<n>, grave-<32 hexadecimal
 * digits>, suspect-<32 hexadecimal digits>, forget-<its 16 random bytes>, the same with ".end"
 * behind it (ADMIN_FORGET_END), and pin-, listed-, accepted-<32 hexadecimal digits>; the types a
 * name may carry are those of its prefix.
 */
enum admin_type {
    ADMIN_CERTIFICATE = 1, /* 16 B client | u8 role | 32 B Ed25519 | 32 B X25519 | u8 n, name */
    ADMIN_REVOCATION = 2,  /* 16 B client | u64 since sequence */
    ADMIN_EPOCH = 3,       /* u32 number | 32 B X25519 public | u32 count, per client: 16 B client |
                              u8 what (1 writer key, 2 reader secret) | 80 B sealed to it */
    ADMIN_GRAVE = 4,       /* u32 count, per entry: 16 B session | 16 B snapshot (zeros: all of the
                              session) | 16 B client | u64 sequence | 32 B record hash | 32 B hash
                              of the record before | 16 B site of the record | u8 reason;
                              u32 count, per head: as in a snapshot record */
    ADMIN_SUSPECT = 5,     /* u32 count, 48 B full pack names */
    ADMIN_FORGET = 6,      /* u32 count, 16 B snapshot ids | i64 grace in ns */
    ADMIN_FORGET_END = 7,  /* 16 B random bytes of the forget | u8 1 carried out, 2 cancelled */
    ADMIN_PIN = 8,         /* 16 B snapshot | i64 until (0: for ever) | u8 1 pin, 2 unpin */
    ADMIN_LISTED = 9,      /* u32 count, per entry: 16 B snapshot | i64 when it was first listed */
    ADMIN_ACCEPTED = 10,   /* u32 count, 16 B snapshot ids */
};
enum grave_reason { GRAVE_FENCED = 1, GRAVE_FORGOTTEN = 2, GRAVE_REVOKED = 3 };

struct admin_record {
    struct vv_uuid site;
    enum admin_type type;
    int64_t time;
    uint8_t nonce[16];
    struct vv_span payload; /* borrowed */
};
/** admin_encode(a, repo, out, err): up to and without the signature. */
MUST_CHECK enum vv_rc admin_encode(const struct admin_record *a, const struct vv_uuid *repo,
                                   struct vv_buf *out, struct vv_error *err);
MUST_CHECK enum vv_rc admin_decode(struct vv_span object, const struct vv_uuid *repo,
                                   struct admin_record *ret, struct vv_error *err);

struct certificate {
    struct vv_uuid client;
    uint8_t role; /* enum key_role */
    uint8_t ed25519[32];
    uint8_t x25519[32];
    char name[LIMIT_LABEL + 1];
};
void certificate_encode(const struct certificate *c, struct vv_buf *out);
MUST_CHECK enum vv_rc certificate_decode(struct vv_span payload, struct certificate *ret,
                                         struct vv_error *err);

struct revocation {
    struct vv_uuid client;
    uint64_t since;
};
void revocation_encode(const struct revocation *r, struct vv_buf *out);
MUST_CHECK enum vv_rc revocation_decode(struct vv_span payload, struct revocation *ret,
                                        struct vv_error *err);

struct epoch_record {
    uint32_t number;
    uint8_t x25519[32];
    uint32_t recipient_count; /* recipients are 97 B each, borrowed */
    struct vv_span recipients;
};
void epoch_encode(const struct epoch_record *e, struct vv_buf *out);
/** Who gets what of an epoch. */
enum epoch_secret { EPOCH_WRITER_KEY = 1, EPOCH_READER_SECRET = 2 };
struct epoch_recipient {
    struct vv_uuid client;
    uint8_t what;       /* enum epoch_secret */
    uint8_t sealed[80]; /* the 32 bytes, sealed to the client's X25519 key */
};
/** epoch_recipient_put(out, to): append one to the recipients. */
void epoch_recipient_put(const struct epoch_recipient *to, struct vv_buf *out);
/** epoch_recipient_at(e, i, ret): i < e->recipient_count. */
void epoch_recipient_at(const struct epoch_record *e, uint32_t i, struct epoch_recipient *ret);
MUST_CHECK enum vv_rc epoch_decode(struct vv_span payload, struct epoch_record *ret,
                                   struct vv_error *err);

/**
 * A record that is gone for good, or (no snapshot, and all that follows zeros) a session.  It still
 * says what its record said: which one of its client came before it, and where it was committed.  So a
 * predecessor that is lost is missed although nothing else names it any more.
 */
struct grave {
    struct vv_uuid session;
    struct vv_uuid snapshot;
    struct vv_uuid client;
    uint64_t sequence;
    struct vv_id hash;
    struct vv_id previous;
    struct vv_uuid site;
    uint8_t reason;
};
#define GRAVE_LEN 137u
/** What a record of graves holds, borrowed. */
struct grave_list {
    uint32_t count;
    struct vv_span graves;
    uint32_t
        head_count; /* the newest record of each client on the site when it was written: what */
    struct vv_span heads; /* the buried ones had seen */
};
void grave_list_encode(const struct grave *graves, uint32_t count,
                       const struct snapshot_seen *heads, uint32_t head_count, struct vv_buf *out);
MUST_CHECK enum vv_rc grave_list_decode(struct vv_span payload, struct grave_list *ret,
                                        struct vv_error *err);
/** grave_list_at(l, i, ret): i < l->count.  grave_list_head_at(l, i, ret): i < l->head_count. */
void grave_list_at(const struct grave_list *l, uint32_t i, struct grave *ret);
void grave_list_head_at(const struct grave_list *l, uint32_t i, struct snapshot_seen *ret);

/** Lists of full pack names: suspect records' payload, and the body of condemned lists. */
void pack_list_encode(const struct pack_name *names, uint32_t count, struct vv_buf *out);
MUST_CHECK enum vv_rc pack_list_open(struct vv_span payload, struct vv_reader *ret,
                                     uint32_t *ret_count, struct vv_error *err);
void pack_list_next(struct vv_reader *r, struct pack_name *ret);

/** counted_list_open(payload, item_len, what, ret_reader, ret_count, err): a u32 count and exactly
 *  that many items of ${item_len} bytes. */
MUST_CHECK enum vv_rc counted_list_open(struct vv_span payload, size_t item_len, const char *what,
                                        struct vv_reader *ret, uint32_t *ret_count,
                                        struct vv_error *err);

struct forget {
    uint32_t count;
    struct vv_span snapshots; /* count * 16 bytes, borrowed */
    int64_t grace;            /* ns, not negative */
};
void forget_encode(const struct forget *f, struct vv_buf *out);
MUST_CHECK enum vv_rc forget_decode(struct vv_span payload, struct forget *ret,
                                    struct vv_error *err);

/** How a forget ended.  ${forget}: its random bytes, which are the digits of its name; so neither
 *  record counts under another name. */
enum forget_outcome { FORGET_CARRIED_OUT = 1, FORGET_CANCELLED = 2 };
struct forget_end {
    struct vv_uuid forget;
    enum forget_outcome outcome;
};
void forget_end_encode(const struct forget_end *e, struct vv_buf *out);
MUST_CHECK enum vv_rc forget_end_decode(struct vv_span payload, struct forget_end *ret,
                                        struct vv_error *err);

struct pin {
    struct vv_uuid snapshot;
    int64_t until; /* ns since 1970; 0: for ever */
    bool pinned;   /* false: takes an earlier pin back */
};
void pin_encode(const struct pin *p, struct vv_buf *out);
MUST_CHECK enum vv_rc pin_decode(struct vv_span payload, struct pin *ret, struct vv_error *err);

/** When an administrator's run first listed a snapshot that was dated later than that. */
struct first_listed {
    struct vv_uuid snapshot;
    int64_t time; /* ns since 1970 */
};
#define FIRST_LISTED_LEN 24u
void first_listed_begin(struct vv_buf *out, uint32_t count);
void first_listed_put(struct vv_buf *out, const struct first_listed *l);
/** first_listed_open(payload, ret_reader, ret_count, err), then first_listed_next ${ret_count}
 *  times. */
MUST_CHECK enum vv_rc first_listed_open(struct vv_span payload, struct vv_reader *ret,
                                        uint32_t *ret_count, struct vv_error *err);
void first_listed_next(struct vv_reader *r, struct first_listed *ret);

/** Snapshots whose mark (a changed share far above what was usual) the administrator accepted. */
void accepted_encode(const struct vv_uuid *snapshots, uint32_t count, struct vv_buf *out);
/** accepted_decode(payload, ret_ids, ret_count, err): ${ret_ids}: 16 B each, borrowed. */
MUST_CHECK enum vv_rc accepted_decode(struct vv_span payload, struct vv_span *ret_ids,
                                      uint32_t *ret_count, struct vv_error *err);

/*
 * Condemned list `condemned/<session of the prune>` (kind D), signed by the administrator:
 *   16 B session | 16 random bytes | u32 count, 48 B full pack names | signature | trailer
 */
struct condemned {
    struct vv_uuid session;
    uint8_t nonce[16];
    struct vv_span packs; /* a pack list: u32 count and names */
};
MUST_CHECK enum vv_rc condemned_encode(const struct condemned *c, const struct vv_uuid *repo,
                                       struct vv_buf *out, struct vv_error *err);
MUST_CHECK enum vv_rc condemned_decode(struct vv_span object, const struct vv_uuid *repo,
                                       struct condemned *ret, struct vv_error *err);

/*
 * `site` (kind S): 16 B site id | i64 time | u32 probed abilities (storage_caps bits) | trailer
 */
struct site {
    struct vv_uuid id;
    int64_t time;
    uint32_t abilities;
};
MUST_CHECK enum vv_rc site_encode(const struct site *s, const struct vv_uuid *repo,
                                  struct vv_buf *out, struct vv_error *err);
MUST_CHECK enum vv_rc site_decode(struct vv_span object, const struct vv_uuid *repo,
                                  struct site *ret, struct vv_error *err);

#endif
