/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_util_ticketseal.c - a ticket key as the servers of a farm exchange it
 * through a store that may read, lose, repeat or change whatever it wants.
 *
 *   record:  "mod_ssl" 1 | name 16 | period 8 | epoch 8 | from 8 | until 8 |       in the clear, authenticated
 *            nonce 12 | hmac 32, aes 32: sealed | tag 16                           numbers are big-endian
 *
 * AES-256-GCM under a key that HKDF-SHA256 makes of the farm's secret.  A
 * record only opens for the period and epoch that it was made for: an old one
 * is of no use as a new one.  Nonces are random: a farm makes one record at each
 * rotation, and so remains far from the 2^32 after which that would be careless.
 */
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include "ssl_ticketring.h"

static const char magic[8] = { 'm', 'o', 'd', '_', 's', 's', 'l', 1 };

enum {
    NAME_AT = sizeof(magic),
    PERIOD_AT = NAME_AT + SSL_TICKET_NAME,
    EPOCH_AT = PERIOD_AT + 8,
    FROM_AT = EPOCH_AT + 8,
    UNTIL_AT = FROM_AT + 8,
    NONCE_AT = UNTIL_AT + 8,
    NONCE_SIZE = 12,
    SEALED_AT = NONCE_AT + NONCE_SIZE,
    SEALED_SIZE = 2 * SSL_TICKET_LARGE,
    TAG_AT = SEALED_AT + SEALED_SIZE,
    TAG_SIZE = 16
};

_Static_assert(TAG_AT + TAG_SIZE == SSL_TICKET_RECORD, "a record has its size");

static void put(unsigned char *at, int64_t number)
{
    int i;

    for (i = 7; i >= 0; i--) {
        at[i] = (unsigned char)number;
        number >>= 8;
    }
}

static int64_t get(const unsigned char *at)
{
    uint64_t number = 0;
    int i;

    for (i = 0; i < 8; i++) {
        number = number << 8 | at[i];
    }
    return (int64_t)number;
}

/* --- keys from keys ----------------------------------------------------------------- */

static int hkdf(const unsigned char *secret, size_t len, const unsigned char *info, size_t info_len, unsigned char *out,
                size_t out_len)
{
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, OSSL_KDF_NAME_HKDF, NULL);
    EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
    OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)"SHA256", 0),
                            OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)secret, len),
                            OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)info, info_len),
                            OSSL_PARAM_construct_end() };
    int ok = ctx && EVP_KDF_derive(ctx, out, out_len, params) == 1;

    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
    return ok;
}

int ssl_ticket_derive(const unsigned char *secret, size_t len, unsigned char sealing_key[SSL_TICKET_SEALING_KEY])
{
    static const char info[] = "mod_ssl ticket keys, AES-256-GCM";

    return hkdf(secret, len, (const unsigned char *)info, strlen(info), sealing_key, SSL_TICKET_SEALING_KEY);
}

int ssl_ticket_record_id(const unsigned char *sealing_key, int64_t period, int64_t epoch,
                         unsigned char id[SSL_TICKET_RECORD_ID])
{
    unsigned char info[2 + 16] = { 'i', 'd' };

    put(info + 2, period);
    put(info + 10, epoch);
    return hkdf(sealing_key, SSL_TICKET_SEALING_KEY, info, sizeof(info), id, SSL_TICKET_RECORD_ID);
}

/* --- records --------------------------------------------------------------------------- */

/* Encrypts (or decrypts, and compares the tag) the 64 secret bytes IN; what stands before them is authenticated. */
static int crypt_record(const unsigned char *sealing_key, unsigned char *record, const unsigned char *in,
                        unsigned char *out, int encrypt)
{
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    EVP_CIPHER_CTX *ctx = cipher ? EVP_CIPHER_CTX_new() : NULL;
    int len, ok = 0;

    if (ctx && EVP_CipherInit_ex2(ctx, cipher, sealing_key, record + NONCE_AT, encrypt, NULL) == 1 &&
        (encrypt || EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG_SIZE, record + TAG_AT) == 1) &&
        EVP_CipherUpdate(ctx, NULL, &len, record, NONCE_AT) == 1 &&
        EVP_CipherUpdate(ctx, out, &len, in, SEALED_SIZE) == 1 && EVP_CipherFinal_ex(ctx, out + len, &len) == 1) {
        ok = !encrypt || EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG_SIZE, record + TAG_AT) == 1;
    }
    EVP_CIPHER_CTX_free(ctx);
    EVP_CIPHER_free(cipher);
    return ok;
}

int ssl_ticket_record_seal(const unsigned char *sealing_key, const ssl_ticket_key *key,
                           unsigned char record[SSL_TICKET_RECORD])
{
    unsigned char secret[SEALED_SIZE];
    int ok;

    memset(record, 0, SSL_TICKET_RECORD);
    memcpy(record, magic, sizeof(magic));
    memcpy(record + NAME_AT, key->name, SSL_TICKET_NAME);
    put(record + PERIOD_AT, key->period);
    put(record + EPOCH_AT, key->epoch);
    put(record + FROM_AT, key->made_from);
    put(record + UNTIL_AT, key->made_until);
    memcpy(secret, key->hmac, SSL_TICKET_LARGE);
    memcpy(secret + SSL_TICKET_LARGE, key->aes, SSL_TICKET_LARGE);
    ok = RAND_bytes(record + NONCE_AT, NONCE_SIZE) == 1 &&
         crypt_record(sealing_key, record, secret, record + SEALED_AT, 1);
    OPENSSL_cleanse(secret, sizeof(secret));
    return ok;
}

/* Times that no server of the farm would have written. */
static int is_plausible(const ssl_ticket_key *key)
{
    int64_t start = key->period * key->epoch;

    return key->made_from >= start && key->made_from < start + key->period && key->made_until >= start + key->period &&
           key->made_until - key->made_from < INT64_C(1) << 40;
}

int ssl_ticket_record_open(const unsigned char *sealing_key, int64_t period, int64_t epoch, const unsigned char *record,
                           size_t len, ssl_ticket_key *key)
{
    unsigned char copy[SSL_TICKET_RECORD], secret[SEALED_SIZE] = { 0 };
    int ok = 0;

    memset(key, 0, sizeof(*key));
    if (len == SSL_TICKET_RECORD && memcmp(record, magic, sizeof(magic)) == 0 && get(record + PERIOD_AT) == period &&
        get(record + EPOCH_AT) == epoch) {
        memcpy(copy, record, sizeof(copy));
        memcpy(key->name, record + NAME_AT, SSL_TICKET_NAME);
        key->period = period;
        key->epoch = epoch;
        key->made_from = get(record + FROM_AT);
        key->made_until = get(record + UNTIL_AT);
        key->size = SSL_TICKET_LARGE;
        ok = crypt_record(sealing_key, copy, copy + SEALED_AT, secret, 0) && is_plausible(key);
        memcpy(key->hmac, secret, SSL_TICKET_LARGE);
        memcpy(key->aes, secret + SSL_TICKET_LARGE, SSL_TICKET_LARGE);
        OPENSSL_cleanse(secret, sizeof(secret));
    }
    if (!ok) {
        OPENSSL_cleanse(key, sizeof(*key));
    }
    return ok;
}
