/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_ticket.c - ticket keys in shared memory, and as servers exchange them.
 * The source of the first is included rather than linked, so that a process can
 * be made to die after each of its steps.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static int steps_left = -1;

/* Dies as by kill -9 when its steps are used up. */
static void step(void)
{
    if (steps_left > 0 && --steps_left == 0) {
        kill(getpid(), SIGKILL);
    }
}

#define SSL_TICKET_STEP() step()
#include "../../ssl_util_ticket.c"

#include "tap.h"

#define START 1000

static ssl_ticket_ring make(uint32_t capacity)
{
    ssl_ticket_ring ring;
    void *memory =
        mmap(NULL, ssl_ticket_ring_size(capacity), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    ssl_ticket_ring_init(&ring, memory, capacity);
    return ring;
}

static ssl_ticket_ring make_with(uint32_t capacity, int64_t rotation, int64_t timeout, int shared)
{
    ssl_ticket_ring ring = make(capacity);
    ssl_ticket_habits habits = { rotation, timeout, shared };

    ssl_ticket_ring_configure(&ring, &habits, START);
    return ring;
}

static void discard(ssl_ticket_ring *ring)
{
    munmap(ring->memory, ssl_ticket_ring_size(ring->capacity));
}

static ssl_ticket_key current(const ssl_ticket_ring *ring, int64_t now)
{
    ssl_ticket_key key;

    ssl_ticket_ring_find(ring, NULL, now, &key);
    return key;
}

static ssl_ticket_found known(const ssl_ticket_ring *ring, const ssl_ticket_key *key, int64_t now)
{
    ssl_ticket_key copy;

    return ssl_ticket_ring_find(ring, key->name, now, &copy);
}

static int same(const ssl_ticket_key *a, const ssl_ticket_key *b)
{
    return memcmp(a->name, b->name, sizeof(a->name)) == 0 && memcmp(a->hmac, b->hmac, sizeof(a->hmac)) == 0;
}

static int is_in_memory(const ssl_ticket_ring *ring, const ssl_ticket_key *key)
{
    return memmem(ring->memory, ssl_ticket_ring_size(ring->capacity), key->hmac, sizeof(key->hmac)) != NULL ||
           memmem(ring->memory, ssl_ticket_ring_size(ring->capacity), key->aes, sizeof(key->aes)) != NULL;
}

/* --- rotation ------------------------------------------------------------------------- */

static void test_rotation(void)
{
    ssl_ticket_ring ring = make_with(16, 100, 30, 0);
    ssl_ticket_key first = current(&ring, START), second;

    ok(known(&ring, &first, START) == SSL_TICKET_CURRENT, "a new ring has a key");
    ok(ssl_ticket_ring_upkeep(&ring, START + 99) == 0, "before its time is over nothing happens");
    ok(ssl_ticket_ring_upkeep(&ring, START + 100) == 1, "after it there is another");
    ok(ssl_ticket_ring_upkeep(&ring, START + 100) == 0, "... once");
    second = current(&ring, START + 100);
    ok(!same(&first, &second), "... which seals");
    ok(known(&ring, &first, START + 129) == SSL_TICKET_OLD, "the old one opens until the sessions' time is over");
    ok(known(&ring, &first, START + 130) == SSL_TICKET_UNKNOWN, "... and no longer");
    ok(is_in_memory(&ring, &first), "it is still in memory");
    ssl_ticket_ring_upkeep(&ring, START + 130);
    ok(!is_in_memory(&ring, &first), "... until somebody looks");
    ok(is_in_memory(&ring, &second), "the other one is");
    ok(known(&ring, &second, START + 1000000) == SSL_TICKET_CURRENT, "the current key opens however late it is");
    ok(ssl_ticket_ring_upkeep(&ring, START - 500) == 0, "a clock that goes back changes nothing");
    ok(known(&ring, &second, START - 500) == SSL_TICKET_CURRENT, "... the key stays");
    discard(&ring);
}

static void test_habits(void)
{
    ssl_ticket_ring ring = make_with(16, 0, 30, 0);
    ssl_ticket_key first = current(&ring, START), next;
    ssl_ticket_habits habits = { 10, 300, 0 };
    int64_t now;

    ok(ssl_ticket_ring_upkeep(&ring, START + 1000000) == 0, "rotation 0: never");
    habits.rotation = 1;
    ok(ssl_ticket_ring_configure(&ring, &habits, START + 5), "other habits");
    ok(habits.rotation == 300 / 8 + 1, "a rotation for which there is no room is made longer");
    next = current(&ring, START + 5);
    ok(same(&first, &next), "... the key stays");
    for (now = START; now < START + 2000; now++) {
        ssl_ticket_ring_upkeep(&ring, now);
        if (now == START + 1000) {
            first = current(&ring, now);
        }
        if (now == START + 1299 &&
            !ok(known(&ring, &first, now) == SSL_TICKET_OLD, "... all that still open have room")) {
            break;
        }
    }
    ok(known(&ring, &first, now) == SSL_TICKET_UNKNOWN, "... and they go");
    discard(&ring);
}

static void test_facts(void)
{
    ssl_ticket_ring ring = make_with(16, 100, 50, 0);
    ssl_ticket_ring_facts facts;

    ssl_ticket_ring_describe(&ring, START + 7, &facts);
    ok(facts.generation == 1 && facts.age == 7 && facts.next == 93 && facts.old == 0 && !facts.shared,
       "facts: one key");
    ssl_ticket_ring_upkeep(&ring, START + 100);
    ssl_ticket_ring_describe(&ring, START + 101, &facts);
    ok(facts.generation == 2 && facts.age == 1 && facts.next == 99 && facts.old == 1, "facts: an old one, too");
    discard(&ring);
}

static void test_files(void)
{
    ssl_ticket_ring ring = make(2);
    ssl_ticket_key keys[2] = { { .size = 16, .name = "a" }, { .size = 32, .name = "b" } }, key;
    ssl_ticket_ring_facts facts;

    ok(ssl_ticket_ring_find(&ring, NULL, START, &key) == SSL_TICKET_UNKNOWN, "an empty ring has no key");
    ssl_ticket_ring_replace(&ring, keys, 2, START);
    ok(known(&ring, &keys[0], START) == SSL_TICKET_CURRENT, "of keys from files the first seals");
    ok(known(&ring, &keys[1], START) == SSL_TICKET_OLD, "... the second opens");
    ok(known(&ring, &keys[1], INT64_MAX - 1) == SSL_TICKET_OLD, "... for ever");
    ok(!ssl_ticket_ring_is_due(&ring, INT64_MAX - 1), "... and nothing is ever due");
    ssl_ticket_ring_describe(&ring, START, &facts);
    ok(facts.old == 1 && facts.next == -1, "... which the facts say");
    keys[0].size = 40;
    ssl_ticket_ring_replace(&ring, keys, 1, START);
    ok(known(&ring, &keys[0], START) == SSL_TICKET_UNKNOWN, "a size that cannot be is refused");
    set_at(&ring, atomic_load(&ring.memory->generation))->n = UINT32_MAX;
    ok(known(&ring, &(ssl_ticket_key){ .name = "c" }, START) == SSL_TICKET_UNKNOWN,
       "a count that cannot be is bounded");
    discard(&ring);
}

/* --- shared keys ---------------------------------------------------------------------- */

static ssl_ticket_key shared_key(int64_t epoch, int64_t made_from, char name)
{
    ssl_ticket_key key = { .period = 100,
                           .epoch = epoch,
                           .made_from = made_from,
                           .from = made_from,
                           .made_until = epoch * 100 + 330,
                           .until = epoch * 100 + 330 };

    ssl_ticket_key_random(&key);
    memset(key.name, name, sizeof(key.name));
    return key;
}

/* Adopts KEYS in the ORDER of their numbers ("201"); returns the name of what seals at NOW. */
static char sealed_by(const ssl_ticket_key *keys, const char *order, int64_t now)
{
    ssl_ticket_ring ring = make_with(16, 100, 30, 1);
    ssl_ticket_key key;

    for (; *order; order++) {
        ssl_ticket_ring_adopt(&ring, &keys[*order - '0'], START);
    }
    key = current(&ring, now);
    discard(&ring);
    return (char)key.name[0];
}

static void test_adopting(void)
{
    static const char *const orders[] = { "012", "021", "102", "120", "201", "210", "0012210" };
    ssl_ticket_key keys[3] = { shared_key(11, 1110, 'x'), shared_key(11, 1105, 'z'), shared_key(11, 1105, 'y') };
    size_t i;

    for (i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
        ok(sealed_by(keys, orders[i], 1150) == 'y', "of three keys for an epoch all prefer the same one: %s",
           orders[i]);
    }
    ok(sealed_by(keys, "01", 1150) == 'z' && sealed_by(keys, "0", 1150) == 'x', "... of fewer, too");
    ok(sealed_by(keys, "012", 1104) != 'y', "... which does not seal before its time");
}

static void test_sharing(void)
{
    ssl_ticket_ring ring = make_with(16, 100, 30, 1);
    ssl_ticket_key own = current(&ring, START), first = shared_key(10, 1003, 'a'), next = shared_key(11, 1100, 'b'),
                   key;
    ssl_ticket_key late = shared_key(10, 1007, 'c');
    ssl_ticket_habits alone = { 100, 30, 0 };

    ok(ssl_ticket_ring_adopt(&ring, &first, START) == 1, "a shared key is taken");
    ok(ssl_ticket_ring_adopt(&ring, &first, START) == 0, "... once");
    ok(known(&ring, &own, START + 2) == SSL_TICKET_CURRENT, "the server's own key seals until then");
    ok(known(&ring, &first, START + 2) == SSL_TICKET_OLD, "... the shared one opens already");
    ok(known(&ring, &first, START + 3) == SSL_TICKET_CURRENT, "... and seals at its time");
    ssl_ticket_ring_adopt(&ring, &late, START + 10);
    ok(known(&ring, &late, START + 10) == SSL_TICKET_OLD, "one that came too late only opens");
    ok(ssl_ticket_ring_shared(&ring, 100, 10, &key) && same(&key, &first), "the key of an epoch can be asked for");
    ok(!ssl_ticket_ring_shared(&ring, 100, 11, &key), "... if there is one");
    ssl_ticket_ring_adopt(&ring, &next, START + 60);
    ok(known(&ring, &first, START + 99) == SSL_TICKET_CURRENT, "the key of the next epoch waits");
    ok(ssl_ticket_ring_upkeep(&ring, START + 100) == 0 && known(&ring, &next, START + 100) == SSL_TICKET_CURRENT,
       "... for it");
    ok(known(&ring, &first, START + 129) == SSL_TICKET_OLD && known(&ring, &first, START + 130) == SSL_TICKET_UNKNOWN,
       "... and the one before it expires");
    ok(ssl_ticket_ring_upkeep(&ring, START + 299) == 0, "no other key comes: two rotations without");
    ok(ssl_ticket_ring_upkeep(&ring, START + 300) == 1, "... then the server makes one itself");
    ok(known(&ring, &next, START + 300) == SSL_TICKET_OLD, "... the shared one opens");
    first = shared_key(14, 1400, 'd');
    ssl_ticket_ring_adopt(&ring, &first, START + 350);
    ok(known(&ring, &first, START + 400) == SSL_TICKET_CURRENT, "the next shared one takes over again");
    ssl_ticket_ring_configure(&ring, &alone, START + 360);
    ok(known(&ring, &first, START + 400) == SSL_TICKET_UNKNOWN, "keys that were to come go when sharing ends");
    discard(&ring);
}

/* --- death ------------------------------------------------------------------------------ */

static void do_rotate(const ssl_ticket_ring *ring)
{
    ssl_ticket_ring_upkeep(ring, START + 100);
}

static void do_adopt(const ssl_ticket_ring *ring)
{
    ssl_ticket_key key = shared_key(11, 1150, 's');

    ssl_ticket_ring_adopt(ring, &key, START + 100);
}

static void do_replace(const ssl_ticket_ring *ring)
{
    ssl_ticket_key keys[2] = { { .size = 0 } };

    ssl_ticket_key_random(&keys[0]);
    ssl_ticket_key_random(&keys[1]);
    ssl_ticket_ring_replace(ring, keys, 2, START + 100);
}

/* Lets a child die after each of its steps, until it comes to the end of ACT. What is there must be whole then, and
 * change once more. */
static void test_death(const char *name, void (*act)(const ssl_ticket_ring *ring))
{
    int steps, status = -1, good = 1;

    for (steps = 1; steps < 100 && (status == -1 || WIFSIGNALED(status)); steps++) {
        ssl_ticket_ring ring = make_with(16, 100, 300, 0);
        ssl_ticket_key before = current(&ring, START), key;
        pid_t pid = fork();

        if (pid == 0) {
            steps_left = steps;
            act(&ring);
            _exit(0);
        }
        waitpid(pid, &status, 0);
        good &= ssl_ticket_ring_find(&ring, NULL, START + 100, &key) == SSL_TICKET_CURRENT;
        good &= act == do_replace || known(&ring, &before, START + 100) != SSL_TICKET_UNKNOWN;
        good &= act == do_replace || ssl_ticket_ring_upkeep(&ring, START + 300) == 1;
        good &= ssl_ticket_ring_replace(&ring, &before, 1, START) && known(&ring, &before, START) == SSL_TICKET_CURRENT;
        good &= !is_in_memory(&ring, &key) || same(&key, &before);
        discard(&ring);
    }
    ok(good && steps > 5, "%s: %d times killed after another step, nothing was lost", name, steps - 2);
}

/* All bytes of the keys that writers put in are the same, so that a reader sees whether it got half of two. */
static ssl_ticket_key uniform(unsigned char byte)
{
    ssl_ticket_key key = { .size = 32 };

    memset(key.name, byte, sizeof(key.name));
    memset(key.hmac, byte, sizeof(key.hmac));
    memset(key.aes, byte, sizeof(key.aes));
    return key;
}

static void write_for_ever(const ssl_ticket_ring *ring, unsigned seed)
{
    for (;; seed = seed * 1103515245 + 12345) {
        ssl_ticket_key keys[2] = { uniform((unsigned char)(seed >> 16)), uniform((unsigned char)(seed >> 8)) };

        ssl_ticket_ring_replace(ring, keys, 1 + (seed >> 24) % 2, START);
    }
}

static pid_t start_writer(const ssl_ticket_ring *ring, unsigned seed)
{
    pid_t pid = fork();

    if (pid == 0) {
        write_for_ever(ring, seed);
    }
    return pid;
}

static void test_kills(void)
{
    ssl_ticket_ring ring = make(2);
    ssl_ticket_key key = uniform(1), wanted;
    int torn = 0, missing = 0, kills, i;
    pid_t pids[2];

    ssl_ticket_ring_replace(&ring, &key, 1, START);
    pids[0] = start_writer(&ring, 1);
    pids[1] = start_writer(&ring, 2);
    for (kills = 0; kills < 60; kills++) {
        for (i = 0; i < 2000 + kills * 17; i++) {
            if (ssl_ticket_ring_find(&ring, NULL, START, &key) == SSL_TICKET_UNKNOWN) {
                missing++;
                continue;
            }
            wanted = uniform(key.name[0]);
            torn += !same(&key, &wanted) || memcmp(key.aes, wanted.aes, sizeof(key.aes)) != 0;
        }
        kill(pids[kills % 2], SIGKILL);
        waitpid(pids[kills % 2], NULL, 0);
        pids[kills % 2] = start_writer(&ring, (unsigned)kills + 3);
    }
    for (i = 0; i < 2; i++) {
        kill(pids[i], SIGKILL);
        waitpid(pids[i], NULL, 0);
    }
    ok(torn == 0, "60 processes killed while they write: no reader got parts of two keys");
    /* 64 changes while a key is copied: where nothing else is done, and the reader has to wait for a processor */
    ok(missing < 600, "... nor none (%d times in %d)", missing, 60 * 2500);
    key = uniform(7);
    ok(ssl_ticket_ring_replace(&ring, &key, 1, START) && known(&ring, &key, START) == SSL_TICKET_CURRENT,
       "... and the next one can write");
    discard(&ring);
}

static void test_many_rotate(void)
{
    ssl_ticket_ring ring = make_with(64, 10, 100, 0);
    ssl_ticket_ring_facts facts;
    int64_t now;
    int i;

    for (i = 0; i < 8; i++) {
        if (fork() == 0) {
            for (now = START; now <= START + 1000; now++) {
                ssl_ticket_ring_upkeep(&ring, now);
            }
            _exit(0);
        }
    }
    while (wait(NULL) > 0) {
    }
    ssl_ticket_ring_upkeep(&ring, START + 1000);
    ssl_ticket_ring_describe(&ring, START + 1000, &facts);
    ok(facts.generation <= 101 && facts.generation > 1, "8 processes: each rotation is done once (%d keys of 101)",
       (int)facts.generation);
}

/* Writes whatever it wants to all but the locks. */
static void scribble(const ssl_ticket_ring *ring)
{
    size_t words = 2 * set_size(ring->capacity) / 8;
    uint64_t *at = (uint64_t *)(void *)ring->memory->sets;
    unsigned seed = 1;

    for (;;) {
        seed = seed * 1103515245 + 12345;
        at[(seed >> 8) % words] = seed % 3 == 0 ? UINT64_MAX >> seed % 61 : seed % 3 == 1 ? seed : START + seed % 100;
        atomic_store(&ring->memory->due, 0);
    }
}

static void test_hostile(void)
{
    ssl_ticket_ring ring = make_with(16, 100, 300, 1);
    ssl_ticket_habits habits = { 100, 300, 1 };
    ssl_ticket_ring_facts facts;
    ssl_ticket_key key;
    pid_t pid = fork();
    int i;

    if (pid == 0) {
        scribble(&ring);
    }
    for (i = 0; i < 20000; i++) {
        key = shared_key(11 + i % 7, 1100 + i % 700, (char)i);
        ssl_ticket_ring_adopt(&ring, &key, START + i % 300);
        ssl_ticket_ring_find(&ring, i % 2 ? key.name : NULL, START + i % 300, &key);
        ssl_ticket_ring_upkeep(&ring, START + i % 500);
        ssl_ticket_ring_describe(&ring, START, &facts);
        if (i % 100 == 0) {
            ssl_ticket_ring_configure(&ring, &habits, START);
        }
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    ok(1, "a process that writes whatever it wants: the others read and write nothing else");
    key = uniform(7);
    ok(ssl_ticket_ring_replace(&ring, &key, 1, START) && known(&ring, &key, START) == SSL_TICKET_CURRENT,
       "... and what is written then is right");
    discard(&ring);
}

/* --- records ------------------------------------------------------------------------------ */

static void test_records(void)
{
    static const unsigned char secret[32] = "the same on each server", other[32] = "another";
    unsigned char sealing_key[SSL_TICKET_SEALING_KEY], other_key[SSL_TICKET_SEALING_KEY];
    unsigned char record[SSL_TICKET_RECORD + 1] = { 0 }, again[SSL_TICKET_RECORD], id[32], id2[32];
    ssl_ticket_key key = shared_key(11, 1105, 'k'), opened;
    int i, accepted = 0;

    ok(ssl_ticket_derive(secret, sizeof(secret), sealing_key) && ssl_ticket_derive(other, sizeof(other), other_key),
       "sealing keys");
    ok(ssl_ticket_record_seal(sealing_key, &key, record), "a record is sealed");
    ok(ssl_ticket_record_open(sealing_key, 100, 11, record, SSL_TICKET_RECORD, &opened), "... and opened");
    ok(same(&key, &opened) && memcmp(key.aes, opened.aes, sizeof(key.aes)) == 0 && opened.made_from == 1105 &&
           opened.made_until == key.made_until && opened.size == 32,
       "... and is the same");
    ok(!memmem(record, sizeof(record), key.hmac, 8) && !memmem(record, sizeof(record), key.aes, 8),
       "no secret is in it");
    ssl_ticket_record_seal(sealing_key, &key, again);
    ok(memcmp(record, again, sizeof(again)) != 0, "no two are alike");
    for (i = 0; i < SSL_TICKET_RECORD * 8; i++) {
        record[i / 8] ^= (unsigned char)(1 << i % 8);
        accepted += ssl_ticket_record_open(sealing_key, 100, 11, record, SSL_TICKET_RECORD, &opened);
        record[i / 8] ^= (unsigned char)(1 << i % 8);
    }
    ok(accepted == 0, "with any bit changed it is refused");
    for (i = 0; i <= SSL_TICKET_RECORD + 1; i++) {
        accepted += i != SSL_TICKET_RECORD && ssl_ticket_record_open(sealing_key, 100, 11, record, (size_t)i, &opened);
    }
    ok(accepted == 0, "... with any other length");
    ok(!ssl_ticket_record_open(other_key, 100, 11, record, SSL_TICKET_RECORD, &opened), "... by another farm");
    ok(!ssl_ticket_record_open(sealing_key, 100, 12, record, SSL_TICKET_RECORD, &opened), "... for another epoch");
    ok(!ssl_ticket_record_open(sealing_key, 50, 11, record, SSL_TICKET_RECORD, &opened), "... for another rotation");
    key.made_from = 1200;
    ssl_ticket_record_seal(sealing_key, &key, record);
    ok(!ssl_ticket_record_open(sealing_key, 100, 11, record, SSL_TICKET_RECORD, &opened),
       "... with times beyond its epoch");
    ssl_ticket_record_id(sealing_key, 100, 11, id);
    ssl_ticket_record_id(other_key, 100, 11, id2);
    ok(memcmp(id, id2, sizeof(id)) != 0, "farms do not meet in a store");
}

int main(void)
{
    test_rotation();
    test_habits();
    test_facts();
    test_files();
    test_adopting();
    test_sharing();
    test_death("rotating", do_rotate);
    test_death("adopting", do_adopt);
    test_death("replacing", do_replace);
    test_kills();
    test_many_rotate();
    test_hostile();
    test_records();
    return done();
}
