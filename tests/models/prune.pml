/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The protocol by which backups, replications and prunes share one repository, for Spin.
 *
 * One chunk.  A pack is one bit; bit 0 has the chunk at the start, every session and every run of
 * prune may make one pack of its own.  Each access to the storage is one atomic step, and a process
 * may stop for ever between any two: Spin tries every order.  Steps are named as in the code: W1 to
 * W8 in lib/repo/writer_session.h, P1 to P7 in the prune engine.
 *
 * Invariants, asserted after every step:
 *   a snapshot that is committed, not fenced and not carried out as forgotten finds the chunk in a
 *   pack that exists, is intact and is named by an index record;
 *   a run that reported success is visible.
 *
 * Size:  WRITERS, REPLICATIONS (sessions at this repository, which is then a replica), PRUNES
 *        (sessions that prune, beside each other), CYCLES (runs of each, one after the other).
 * Also:  ROTTEN     a second copy of the chunk that is damaged is there from the start
 *        UNDELETE   the first snapshot may be forgotten and brought back
 *        CONDEMN_OPEN  packs of open sessions may be condemned as well (leaving them alone spares
 *                   work, it is not needed for safety)
 *        REPLAY     only what the code's own policy would do, so that it can follow: a prune lists and
 *                   marks at once, condemns what is dead and the first pack, which is mostly
 *                   waste, and takes for live what was live when it began (not with UNMARKS)
 * Mutants: each -DOMIT_* leaves out one rule; tests/models/check.py has the list and what size shows
 * the loss.
 */
#ifndef WRITERS
#define WRITERS 1
#endif
#ifndef REPLICATIONS
#define REPLICATIONS 0
#endif
#ifndef PRUNES
#define PRUNES 1
#endif
#ifndef CYCLES
#define CYCLES 1
#endif
#define SESSIONS (WRITERS + REPLICATIONS)
#define RUNS (PRUNES * CYCLES)
#define PACKS (1 + SESSIONS + RUNS)
#define BIT(n) (1 << (n))
#define SESSION_PACK(i) BIT(1 + (i))
#define COPY_PACK(r) BIT(1 + SESSIONS + (r))
#define ROTTEN_PACK BIT(PACKS)

/* Instances of one pack hash: the first pack and what replications publish. */
#define SAME_HASH (1 | ((BIT(REPLICATIONS) - 1) << (1 + WRITERS)))

#if PACKS < 8 && SESSIONS + RUNS < 8
#define set byte
#else
#define set short
#endif

/* --- the repository ---------------------------------------------------------------------------- */

#define FIRST SESSIONS            /* the snapshot that is there at the start */
#define RUN(turn) (SESSIONS + (turn)) /* the session of a run of prune */

set exist;           /* packs/ */
set records;         /* index records in segments of their own */
set merged[RUNS];    /* the segment that a run of prune published */
set condemned[RUNS]; /* its list */
set open;            /* sessions registered and without a slot */
set slots;           /* snapshots/: sessions that have one, */
set fences;          /* of these fences */
set visible;         /* and of these committed snapshots, neither buried nor carried out */
set graves;          /* fenced sessions whose slot was deleted */
bool in_grace;         /* the first snapshot is forgotten, in its grace: still a root */
bool forgot;

set indexed;         /* records and merged, together: kept up to date by every step */
set lists;           /* all condemned lists, together */

#ifdef ROTTEN
#define INTACT (exist & ~ROTTEN_PACK)
#else
#define INTACT exist
#endif

inline check()
{
    assert(visible == 0 || (INTACT & indexed) != 0)
}

/* Not wrong at all: for traces of how it comes to be. */
inline example()
{
#ifdef EXAMPLE_COPY_OUT
    assert((visible & 1) == 0 || (exist & COPY_PACK(0)) == 0);
#endif
#ifdef EXAMPLE_FENCE
    assert(graves == 0);
#endif
#ifdef EXAMPLE_REPLICA
    assert((visible & 1) == 0 || (exist & 1) || (exist & SESSION_PACK(0)) == 0);
#endif
    skip
}

inline count_index()
{
    indexed = records;
    n = 0;
    do
    :: n < RUNS -> indexed = indexed | merged[n]; n++
    :: else -> break
    od;
    n = 0
}

inline count_lists()
{
    lists = 0;
    n = 0;
    do
    :: n < RUNS -> lists = lists | condemned[n]; n++
    :: else -> break
    od;
    n = 0
}

/* --- a backup, or a replication that arrives here ----------------------------------------------- */

#ifdef OMIT_EXCLUSIVE_SLOT
#define MAY_COMMIT(i) ((slots & ~fences & BIT(i)) == 0)
#else
#ifdef OMIT_OWN_SLOT
/* a replication publishes the slot of the source's session: the fence is on another name */
#define MAY_COMMIT(i) ((slots & (i >= WRITERS -> ~fences : -1) & BIT(i)) == 0)
#else
#define MAY_COMMIT(i) ((slots & BIT(i)) == 0)
#endif
#endif

#ifdef OMIT_FRESH_NAME
#define UPLOAD(i) (i >= WRITERS -> 1 : SESSION_PACK(i))
#else
#define UPLOAD(i) SESSION_PACK(i)
#endif

#if defined(ROTTEN) && !defined(OMIT_SUSPECTS)
#define KNOWN_BAD ROTTEN_PACK /* read with the lists of condemned packs, and taken like these */
#else
#define KNOWN_BAD 0
#endif
#if defined(OMIT_LISTING) || defined(OMIT_LISTS_BEFORE_LISTING)
#define HITS (seen_index & ~seen_lists & ~KNOWN_BAD)
#else
#define HITS (seen_index & ~seen_lists & ~KNOWN_BAD & exist)
#endif
/* What a replication may take over: an instance that lies there without a record. */
#define INSTANCES(i) (i >= WRITERS -> SAME_HASH & exist & ~seen_lists : 0)

#ifdef OMIT_REGISTERING_FIRST
#define LATE_REGISTERING(i) open = open | BIT(i)
#else
#define LATE_REGISTERING(i) skip
#endif

proctype Session(byte i)
{
    set seen_lists, seen_index;
    bool parent;

#ifdef OMIT_PARENT_AFTER_REGISTERING
    if
    :: d_step { i < WRITERS && visible != 0 -> parent = true;
           printf("session %d: W8 see parent\n", i) }
    :: true
    fi;
#endif
    /* Sessions are alike: the one with the lower number registers first. */
    atomic { (i == 0 || i == WRITERS || ((open | slots | graves) & BIT(i - 1)));
#ifndef OMIT_REGISTERING_FIRST
        open = open | BIT(i);
        printf("session %d: W1 register\n", i)
#endif
    }
#ifdef OMIT_LISTS_BEFORE_LISTING
    d_step { seen_index = indexed; printf("session %d: W3 read index\n", i) }
    d_step { seen_index = seen_index & exist; printf("session %d: W4 list packs\n", i) }
    d_step { seen_lists = lists; printf("session %d: W2 read condemned\n", i) }
#else
    d_step { seen_lists = lists; printf("session %d: W2 read condemned\n", i) }
    if
#ifdef OMIT_NO_LIST_PENDING
    :: d_step { i < WRITERS && visible != 0 ->
#else
    :: d_step { i < WRITERS && seen_lists == 0 && visible != 0 ->
#endif
           seen_lists = 0;
           LATE_REGISTERING(i);
           printf("session %d: W8 reuse parent\n", i) }
       goto commit
#ifdef OMIT_PARENT_AFTER_REGISTERING
    :: d_step { parent && seen_lists == 0 ->
           printf("session %d: W8 reuse parent\n", i) }
       goto commit
#endif
    :: d_step { seen_index = indexed; printf("session %d: W3 read index\n", i) }
    fi;
#endif
    if
    :: d_step { HITS != 0 ->
           LATE_REGISTERING(i);
           seen_lists = 0; seen_index = 0;
           printf("session %d: W4 list packs, found\n", i) }
       goto commit
    :: d_step { HITS == 0 && INSTANCES(i) != 0 ->
           LATE_REGISTERING(i);
           seen_index = INSTANCES(i);
           seen_lists = 0;
           printf("session %d: W4 list packs, take over\n", i) }
    :: d_step { HITS == 0 && INSTANCES(i) == 0 ->
           LATE_REGISTERING(i);
           seen_index = UPLOAD(i);
           seen_lists = 0;
           printf("session %d: W4 list packs, missing\n", i) }
       d_step { exist = exist | seen_index; printf("session %d: W5 publish pack %d\n", i, seen_index) }
    fi;
    d_step {
#ifdef OMIT_RECORD_OF_INSTANCE
        seen_index = ((i >= WRITERS && (indexed & SAME_HASH) != 0) -> 0 : seen_index);
#endif
        records = records | seen_index;
        indexed = indexed | seen_index;
        if
        :: seen_index != 0 -> printf("session %d: W5 publish index\n", i)
        :: else -> printf("session %d: W5 publish no index\n", i)
        fi;
        seen_index = 0
    }
commit:
    if
    :: atomic { MAY_COMMIT(i) ->
           parent = false;
           open = open & ~BIT(i);
           slots = slots | BIT(i);
           fences = fences & ~BIT(i);
           visible = visible | (BIT(i) & ~graves);
           printf("session %d: W6 commit\n", i);
           check() }
       d_step {
#ifdef OMIT_READING_GRAVES
           printf("session %d: W7 report success\n", i);
           assert((graves & BIT(i)) == 0)
#else
           printf("session %d: W7 read graves\n", i)
#endif
       }
    :: atomic { else -> parent = false; printf("session %d: W6 refused\n", i) }
    fi
}

/* --- the administrator -------------------------------------------------------------------------- */

proctype Administrator()
{
end:
    do
#ifdef UNDELETE
    :: d_step { (visible & BIT(FIRST)) && !forgot -> in_grace = true; forgot = true;
           printf("administrator: forget first\n") }
    :: d_step { in_grace -> in_grace = false; visible = visible & ~BIT(FIRST);
           printf("administrator: carry out first\n") }
#ifdef OMIT_EXCLUSIVE_END
    :: d_step { forgot ->
#else
    :: d_step { in_grace ->
#endif
           in_grace = false; visible = visible | BIT(FIRST);
           printf("administrator: undelete first\n");
           check() }
#else
    :: d_step { visible & BIT(FIRST) -> visible = visible & ~BIT(FIRST);
           printf("administrator: forget first\n") }
#endif
    :: d_step { visible & BIT(0) -> visible = visible & ~BIT(0);
           printf("administrator: forget 0\n") }
#if SESSIONS > 1
    :: d_step { visible & BIT(1) -> visible = visible & ~BIT(1);
           printf("administrator: forget 1\n") }
#endif
#if SESSIONS > 2
    :: d_step { visible & BIT(2) -> visible = visible & ~BIT(2);
           printf("administrator: forget 2\n") }
#endif
    od
}

/* --- a prune ------------------------------------------------------------------------------------ */

#ifdef OMIT_FRESH_COPY
#define COPY COPY_PACK(g)
#else
#define COPY COPY_PACK(turn)
#endif

/* Packs that may be condemned: not in a list, and their header names no open session. */
#ifdef CONDEMN_OPEN
#define CANDIDATES (exist & ~lists)
#else
#define CANDIDATES (exist & ~lists & ~(open << 1))
#endif

#ifdef OMIT_COPY_READ
#define READ (-1) /* any copy */
#else
#define READ INTACT
#endif
#ifdef OMIT_COPY_LISTED
#define OTHERS (indexed & ~seen_lists & ~victims)
#else
#define OTHERS (exist & indexed & READ & ~seen_lists & ~victims)
#endif

#if (defined(REPLAY) && !defined(UNMARKS)) || defined(OMIT_MARKING_AGAIN)
#define KEEPS_MARKS /* what was live at P1 */
#endif
#if defined(REPLAY) && !defined(OMIT_LISTS_AGAIN)
#define ENOUGH enough
#else
#define ENOUGH (OTHERS != 0)
#endif
#ifdef REPLAY
#define ADOPT_ONLY ((CANDIDATES & 1) == 0)
#else
#define ADOPT_ONLY true
#endif
#define ALL_PACKS (PACKS + 1)

proctype Prune(byte g)
{
    byte turn = g * CYCLES;
    set names, victims, seen_lists, read_records, content;
    byte n;
    bool live, adopted, enough;

again:
    atomic { (g == 0 || ((open | slots) & BIT(RUN((g - 1) * CYCLES))));
        open = open | BIT(RUN(turn)); printf("prune %d: P1 register\n", g) }
#ifdef REPLAY
    d_step { live = visible != 0; printf("prune %d: P1 mark\n", g) }
#else
    d_step { names = visible; printf("prune %d: P1 list snapshots\n", g) }
    d_step { live = (names & visible) != 0; names = 0; printf("prune %d: P1 mark\n", g) }
#endif
    atomic {
        if
        :: !live && (CANDIDATES | lists) != 0 ->
           victims = CANDIDATES | lists; printf("prune %d: P2 choose all\n", g)
#ifdef REPLAY
        :: live && (CANDIDATES & 1) -> victims = 1 | lists; printf("prune %d: P2 choose 0\n", g)
        :: live && (CANDIDATES & 1) == 0 && lists == 0 -> goto nothing
#else
        :: live && CANDIDATES != 0 -> /* all but one copy */
           do
           :: n < ALL_PACKS -> n++
           :: (CANDIDATES & indexed & READ & BIT(n)) && (CANDIDATES & ~BIT(n)) != 0 ->
              victims = (CANDIDATES & ~BIT(n)) | lists; break
           :: n == ALL_PACKS -> n = 0; goto nothing
           od;
           printf("prune %d: P2 choose all but %d\n", g, n)
        :: live && CANDIDATES != 0 -> /* one pack */
           do
           :: n < ALL_PACKS -> n++
           :: CANDIDATES & BIT(n) -> victims = BIT(n) | lists; break
           :: n == ALL_PACKS -> n = 0; goto nothing
           od;
           printf("prune %d: P2 choose %d\n", g, n)
#endif
        :: live && lists != 0 && ADOPT_ONLY -> victims = lists;
           printf("prune %d: P2 adopt only\n", g)
        :: (CANDIDATES | lists) == 0 -> goto nothing
        fi;
        n = 0;
#ifdef OMIT_IRREVOCABILITY
        adopted = lists != 0;
#endif
#ifdef OMIT_LISTS_AGAIN
        seen_lists = lists;
#endif
#ifndef KEEPS_MARKS
        live = false
#endif
    }
    d_step { condemned[turn] = victims; count_lists(); printf("prune %d: P2 condemn %d\n", g, victims) }
#ifndef OMIT_WAITING
    d_step { names = open & ~BIT(RUN(turn)); printf("prune %d: P3 list open sessions\n", g) }
    do
    :: atomic { (names & ~slots) == 0 -> names = 0; printf("prune %d: P3 resolved\n", g); break }
    :: atomic { (names & ~slots) != 0 ->
          do
          :: n < SESSIONS + RUNS -> n++
          :: names & ~slots & BIT(n) -> break
          :: n == SESSIONS + RUNS -> n = 0; goto left
          od;
          slots = slots | BIT(n); fences = fences | BIT(n); open = open & ~BIT(n);
          names = names & ~BIT(n);
          printf("prune %d: P3 fence %d\n", g, n);
          n = 0 }
    od;
#endif
#ifndef OMIT_MARKING_AGAIN
    atomic { live = live || visible != 0; printf("prune %d: P4 mark again\n", g) }
#endif
#ifndef OMIT_LISTS_AGAIN
    atomic { seen_lists = lists; printf("prune %d: P4 read condemned again\n", g);
#ifdef REPLAY
        enough = OTHERS != 0 /* lists, index and packs are read together */
#endif
    }
#endif
#ifdef OMIT_IRREVOCABILITY
    if
    :: atomic { adopted && live ->
          do
          :: n < RUNS -> condemned[n] = 0; n++
          :: else -> break
          od;
          count_lists();
          printf("prune %d: P4 take the lists back\n", g); goto left }
    :: else
    fi;
#endif
#ifdef OMIT_LATE_RETIRING
    atomic { condemned[turn] = 0; count_lists(); printf("prune %d: P7 retire\n", g) }
#endif
    atomic { /* the segments it read: read_records those of one record, names merged ones */
        content = indexed;
        read_records = records;
        n = 0;
        do
        :: n < RUNS -> names = names | (merged[n] != 0 -> BIT(n) : 0); n++
        :: else -> break
        od;
        n = 0;
        printf("prune %d: P5 read index\n", g)
    }
    if
    :: d_step { !live || ENOUGH -> live = false; seen_lists = 0 }
    :: d_step { live && !ENOUGH && (INTACT & indexed) != 0 ->
          live = false; seen_lists = 0;
          exist = exist | COPY;
          printf("prune %d: P4 copy out %d\n", g, COPY) }
       d_step { records = records | COPY; indexed = indexed | COPY;
          printf("prune %d: P4 publish index\n", g) }
    :: atomic { live && !ENOUGH && (INTACT & indexed) == 0 -> goto left }
    fi;
    d_step {
        content = content & exist & ~victims;
#ifdef OMIT_INSTANCES_IN_MERGING
        content = content & ~((victims & SAME_HASH) != 0 -> SAME_HASH : 0);
#endif
        merged[turn] = content;
        content = 0;
        count_index();
        printf("prune %d: P5 publish index\n", g)
    }
#ifndef OMIT_CLAIM
    if
    :: d_step { ((slots | graves) & BIT(RUN(turn))) == 0 -> /* and reads graves, as W7 */
           slots = slots | BIT(RUN(turn));
           open = open & ~BIT(RUN(turn));
           printf("prune %d: P5 claim\n", g) }
    :: atomic { else -> printf("prune %d: P5 fenced\n", g); goto left }
    fi;
#endif
    d_step {
        records = records & ~read_records;
        read_records = 0;
        do
        :: n < RUNS -> merged[n] = ((names & BIT(n)) && n != turn -> 0 : merged[n]); n++
        :: else -> break
        od;
        names = 0;
        count_index();
        printf("prune %d: P5 drop segments\n", g);
        check()
    }
    d_step {
        exist = exist & ~victims;
#ifdef OMIT_INSTANCES_IN_DELETING
        exist = exist & ~((victims & SAME_HASH) != 0 -> SAME_HASH : 0);
#endif
        printf("prune %d: P6 delete packs\n", g);
        check()
    }
    d_step {
        condemned[turn] = 0;
        do
        :: n < RUNS -> /* an adopted list goes when all its packs are gone */
           condemned[n] = ((condemned[n] & ~victims) == 0 -> 0 : condemned[n]); n++
        :: else -> break
        od;
        victims = 0;
        enough = false;
        count_lists();
        printf("prune %d: P7 retire\n", g);
        example()
    }
    do /* the slots of fenced sessions are deleted, their graves first */
    :: d_step { fences != 0 ->
          do
          :: (fences & BIT(n)) == 0 -> n++
          :: else -> break
          od;
#ifdef OMIT_GRAVE
          printf("prune %d: P7 delete slot %d\n", g, n);
#else
          graves = graves | BIT(n);
          printf("prune %d: P7 bury %d\n", g, n);
#endif
          slots = slots & ~BIT(n);
          fences = fences & ~BIT(n);
          n = 0;
          example() }
    :: atomic { fences == 0 -> goto next }
    od;
nothing:
left: /* what is condemned is left to the next prune */
    atomic { n = 0; seen_lists = 0; read_records = 0; content = 0; live = false; enough = false; adopted = false; names = 0; victims = 0;
        if
        :: (slots & BIT(RUN(turn))) == 0 ->
           slots = slots | BIT(RUN(turn)); open = open & ~BIT(RUN(turn));
           printf("prune %d: P7 end\n", g)
        :: else
        fi;
        goto next }
next:
    if
    :: atomic { turn + 1 < (g + 1) * CYCLES -> turn++; goto again }
    :: else
    fi
}

init
{
    byte i;

    atomic {
        exist = 1;
        records = 1;
#ifdef ROTTEN
        exist = exist | ROTTEN_PACK;
        records = records | ROTTEN_PACK;
#endif
        indexed = records;
        visible = BIT(FIRST);
        run Administrator();
        do
        :: i < SESSIONS -> run Session(i); i++
        :: else -> break
        od;
        i = 0;
        do
        :: i < PRUNES -> run Prune(i); i++
        :: else -> break
        od;
        i = 0
    }
}
