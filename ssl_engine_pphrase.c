/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_engine_pphrase.c - the dialog for pass phrases, and the keys that it
 * decrypted.
 *
 * A dialog is a pair of descriptors, whoever is behind them: the terminal, a
 * program that reads prompts and writes phrases ("|program"), or one that only
 * writes ("exec:program").  Texts and their order are an interface: programs
 * look for them.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ui.h>

#include "apr_file_info.h"
#include "apr_portable.h"
#include "apr_thread_proc.h"
#include "http_main.h"

#include "ssl_log.h"
#include "ssl_pphrase.h"
#include "ssl_token.h"

#define KEPT_KEYS "mod_ssl:keys"
#define RETRIES 5 /* after the first wrong phrase */
#define FAREWELL_MS 1000 /* that a program gets to end when its work is done */

/** A pass phrase.  Allocated by malloc, so that wiping one copy wipes it. */
typedef struct phrase {
    struct phrase *next;
    char *question; /**< by malloc; of a token: this PIN answers nothing else, see question_of(); NULL: for files */
    char text[PEM_BUFSIZE];
} phrase;

/** A private key that a pass phrase opens. */
typedef struct locked_key {
    const char *path;
    int number;         /**< among the keys of its file, from 1; 0: the file is a server's key, perhaps in DER */
    const char *called; /**< for messages: "the private key in '/x'" */
    const char *name;   /**< under which it is kept */
} locked_key;

/** What tells whether a file is the one it was. */
typedef struct file_stamp {
    apr_time_t modified;
    apr_off_t size;
    apr_ino_t inode;
    apr_dev_t device;
} file_stamp;

/** A decrypted key and the state of its file then.  Lives in the process' pool. */
typedef struct kept_key {
    file_stamp stamp;
    EVP_PKEY *key;
} kept_key;

typedef struct dialog dialog;

/** A kind of SSLPassPhraseDialog. */
typedef struct dialog_kind {
    const char *prefix; /**< of the directive's argument; the rest is handed to open */
    int retries;
    int (*open)(dialog *d, const char *arg); /**< false: logged why */
} dialog_kind;

/** The dialog about one key. */
struct dialog {
    ssl_ctx_build *b;
    const dialog_kind *kind;
    const locked_key *key; /**< NULL: it is about a PIN */
    const char *path;   /**< of the key; or a token's URI */
    const char *need;   /**< why there is a dialog, in words */
    const char *host;   /**< "servername:port" as programs have always been told it */
    int index;          /**< of the key among its host's; -1: the token's PIN is wanted */
    const char *source; /**< where phrases come from, in words */
    int in, out;        /**< descriptors; out is -1 if nobody listens */
    int owns_fd;        /**< in is to be closed */
    apr_proc_t *program;
    const char *fate;   /**< how the program ended, in words; "" if well or not at all */
    enum { SILENT, WRONG } failure;
};

static phrase *known_phrases; /* that opened a key or token in this post_config */

/* --- pass phrases ------------------------------------------------------------ */

static void phrase_free(phrase *ph)
{
    free(ph->question);
    OPENSSL_cleanse(ph, sizeof(*ph));
    free(ph);
}

static void wipe_phrases(void)
{
    while (known_phrases) {
        phrase *next = known_phrases->next;

        phrase_free(known_phrases);
        known_phrases = next;
    }
}

static apr_status_t wipe_with_pool(void *unused)
{
    (void)unused;
    wipe_phrases();
    return APR_SUCCESS;
}

/* P outlasts the making of all hosts: a start that fails halfway wipes, too. */
static void remember(phrase *ph, apr_pool_t *p)
{
    if (!known_phrases) {
        apr_pool_cleanup_register(p, NULL, wipe_with_pool, apr_pool_cleanup_null);
    }
    ph->next = known_phrases;
    known_phrases = ph;
}

static EVP_PKEY *decrypt(const locked_key *locked, phrase *ph)
{
    BIO *bio = locked->number ? ssl_certs_open_key(locked->path, locked->number) : ssl_certs_open(locked->path);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, ph->text) : NULL;

    if (bio && !key && !locked->number) {
        (void)BIO_reset(bio);
        key = d2i_PKCS8PrivateKey_bio(bio, NULL, NULL, ph->text);
    }
    BIO_free(bio);
    ERR_clear_error();
    return key;
}

static EVP_PKEY *decrypt_with_known(const locked_key *locked)
{
    EVP_PKEY *key = NULL;
    phrase *ph;

    for (ph = known_phrases; ph && !key; ph = ph->next) {
        key = ph->question ? NULL : decrypt(locked, ph);
    }
    return key;
}

/* --- keys that outlive a configuration ------------------------------------------ */

static apr_hash_t *kept_keys(void)
{
    return ssl_kept_hash(KEPT_KEYS);
}

static file_stamp stamp_of(const char *path, apr_pool_t *p)
{
    file_stamp stamp = { 0 };
    apr_finfo_t info;

    if (apr_stat(&info, path, APR_FINFO_MTIME | APR_FINFO_SIZE | APR_FINFO_IDENT, p) == APR_SUCCESS) {
        stamp.modified = info.mtime;
        stamp.size = info.size;
        stamp.inode = info.inode;
        stamp.device = info.device;
    }
    return stamp;
}

static int same_stamp(const file_stamp *a, const file_stamp *b)
{
    return a->modified == b->modified && a->size == b->size && a->inode == b->inode && a->device == b->device;
}

static EVP_PKEY *reference(EVP_PKEY *key)
{
    EVP_PKEY_up_ref(key);
    return key;
}

static void keep(const char *name, const file_stamp *stamp, EVP_PKEY *key)
{
    kept_key *kept = ssl_kept_record(KEPT_KEYS, name, sizeof(*kept));

    EVP_PKEY_free(kept->key);
    kept->key = reference(key);
    kept->stamp = *stamp;
}

/* Configurations end to make way for another, too. */
static apr_status_t free_keys_at_exit(void *unused)
{
    apr_hash_index_t *i;

    (void)unused;
    if (ap_state_query(AP_SQ_MAIN_STATE) != AP_SQ_MS_EXITING) {
        return APR_SUCCESS;
    }
    for (i = apr_hash_first(NULL, kept_keys()); i; i = apr_hash_next(i)) {
        kept_key *kept = apr_hash_this_val(i);

        EVP_PKEY_free(kept->key);
        kept->key = NULL;
    }
    return APR_SUCCESS;
}

/* The process' own pool ends when this code has gone, the configuration's before that. */
void ssl_pphrase_forget(void)
{
    wipe_phrases();
    if (apr_hash_count(kept_keys()) > 0) {
        apr_pool_cleanup_register(ap_server_conf->process->pconf, NULL, free_keys_at_exit, apr_pool_cleanup_null);
    }
}

/* --- reading and writing ----------------------------------------------------------- */

static volatile sig_atomic_t interrupted_by;

static void note_interrupt(int number)
{
    interrupted_by = number;
}

/** What reading in secret changes for a while. */
typedef struct secrecy {
    int is_terminal;
    struct termios modes;
    struct sigaction actions[4];
} secrecy;

static const int interrupts[] = { SIGINT, SIGQUIT, SIGTERM, SIGHUP };
#define N_INTERRUPTS (sizeof(interrupts) / sizeof(interrupts[0]))

/* What was typed before the prompt came is kept; whoever ends the dialog by a
 * signal still gets a terminal that echoes. */
static void begin_secrecy(secrecy *was, int fd)
{
    struct sigaction note = { .sa_handler = note_interrupt };
    struct termios silent;
    size_t i;

    was->is_terminal = tcgetattr(fd, &was->modes) == 0;
    interrupted_by = 0;
    if (!was->is_terminal) {
        return;
    }
    for (i = 0; i < N_INTERRUPTS; i++) {
        sigaction(interrupts[i], &note, &was->actions[i]);
    }
    silent = was->modes;
    silent.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
    tcsetattr(fd, TCSANOW, &silent);
}

static void end_secrecy(const secrecy *was, int fd)
{
    size_t i;

    if (!was->is_terminal) {
        return;
    }
    tcsetattr(fd, TCSANOW, &was->modes);
    for (i = 0; i < N_INTERRUPTS; i++) {
        sigaction(interrupts[i], &was->actions[i], NULL);
    }
}

/* Byte by byte: what follows the line is the answer to a later prompt.  False: there is none. */
static int read_line(int fd, phrase *ph)
{
    size_t len = 0;
    ssize_t n = 0;

    while (len < sizeof(ph->text) - 1) {
        n = read(fd, ph->text + len, 1);
        if (n < 0 && errno == EINTR && !interrupted_by) {
            continue;
        }
        if (n <= 0 || ph->text[len] == '\n') {
            break;
        }
        len++;
    }
    if (interrupted_by || (n <= 0 && len == 0)) {
        return 0;
    }
    len -= len > 0 && ph->text[len - 1] == '\r';
    ph->text[len] = '\0';
    return 1;
}

static void write_all(int fd, const char *text)
{
    size_t len = strlen(text);

    while (len > 0) {
        ssize_t n = write(fd, text, len);

        if (n < 0 && errno != EINTR) {
            return;
        }
        text += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
}

/* A program may have written its phrase and gone, without a look at the prompt. */
static void say(dialog *d, const char *text)
{
    struct sigaction ignore = { .sa_handler = SIG_IGN }, was;

    if (d->out >= 0) {
        sigaction(SIGPIPE, &ignore, &was);
        write_all(d->out, text);
        sigaction(SIGPIPE, &was, NULL);
    }
}

static int read_phrase(dialog *d, phrase *ph)
{
    secrecy was;
    int got;

    begin_secrecy(&was, d->in);
    got = read_line(d->in, ph);
    end_secrecy(&was, d->in);
    say(d, "\n");
    if (interrupted_by) {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, d->b->server, "pass phrase dialog ended by signal %d",
                     (int)interrupted_by);
        raise(interrupted_by);
    }
    return got;
}

/* --- who is asked --------------------------------------------------------------------- */

/* Without a terminal, what a script feeds to httpd is as good; but once the
 * server runs, waiting for a stdin that nobody fills would stop it for ever. */
static int open_terminal(dialog *d, const char *unused)
{
    (void)unused;
    ap_log_error(APLOG_MARK, APLOG_INFO, 0, d->b->server,
                 APLOGNO(01968) "Init: Requesting pass phrase via builtin terminal dialog");
    d->in = d->out = open("/dev/tty", O_RDWR | O_CLOEXEC);
    d->owns_fd = d->in >= 0;
    d->source = "the terminal";
    if (d->in < 0 && ap_state_query(AP_SQ_CONFIG_GEN) <= 1) {
        d->in = STDIN_FILENO;
        d->out = STDOUT_FILENO;
        d->source = "standard input, as there is no terminal (start httpd from one, or let SSLPassPhraseDialog name a "
                    "program)";
    }
    if (d->in < 0) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, d->b->server,
                     APLOGNO(02578) "%s: %s; it was introduced or changed since the start, but there is no terminal "
                     "to ask at", d->host, d->need);
    }
    return d->in >= 0;
}

static int descriptor(apr_file_t *file)
{
    apr_os_file_t fd = -1;

    return file && apr_os_file_get(&fd, file) == APR_SUCCESS ? fd : -1;
}

static int start_program(dialog *d, const char *const *argv)
{
    apr_proc_t *program = apr_pcalloc(d->b->p, sizeof(*program));
    apr_procattr_t *attr;
    apr_status_t rv;

    d->source = apr_psprintf(d->b->p, "the program '%s'", argv[0]);
    rv = apr_procattr_create(&attr, d->b->p);
    if (rv == APR_SUCCESS) {
        rv = apr_procattr_io_set(attr, APR_FULL_BLOCK, APR_FULL_BLOCK, APR_NO_PIPE);
    }
    if (rv == APR_SUCCESS) {
        apr_procattr_cmdtype_set(attr, APR_PROGRAM);
        apr_procattr_error_check_set(attr, 1);
        rv = apr_proc_create(program, argv[0], argv, NULL, attr, d->b->p);
    }
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_ERR, rv, d->b->server,
                     APLOGNO(02578) "%s: %s, and the program '%s' of SSLPassPhraseDialog cannot be run", d->host,
                     d->need, argv[0]);
        return 0;
    }
    d->program = program;
    d->in = descriptor(program->out);
    d->out = descriptor(program->in);
    return 1;
}

static int open_pipe(dialog *d, const char *arg)
{
    char **argv;

    if (apr_tokenize_to_argv(arg, &argv, d->b->p) != APR_SUCCESS || !argv[0]) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, d->b->server,
                     APLOGNO(02578) "%s: SSLPassPhraseDialog '|%s' names no program", d->host, arg);
        return 0;
    }
    ap_log_error(APLOG_MARK, APLOG_INFO, 0, d->b->server,
                 APLOGNO(01965) "Init: Creating pass phrase dialog pipe child '%s'", arg);
    return start_program(d, (const char *const *)argv);
}

/* Keys are told apart by their place, whatever their type: it has to be known before they are decrypted. */
static const char *key_type(dialog *d)
{
    static const char *const first[] = { "RSA", "DSA", "ECC" };

    return d->index < 3 ? first[d->index] : apr_itoa(d->b->p, d->index);
}

static int open_exec(dialog *d, const char *arg)
{
    const char *argv[] = { arg, d->host, d->index >= 0 ? key_type(d) : NULL, NULL };

    ap_log_error(APLOG_MARK, APLOG_INFO, 0, d->b->server,
                 APLOGNO(01969) "Init: Requesting pass phrase from dialog filter program (%s)", arg);
    if (!start_program(d, argv)) {
        return 0;
    }
    apr_file_close(d->program->in);
    d->program->in = NULL;
    d->out = -1;
    return 1;
}

/* A program that goes on with something else is left to it. */
static void end_program(dialog *d)
{
    apr_status_t rv = APR_CHILD_NOTDONE;
    apr_exit_why_e why = APR_PROC_EXIT;
    int code = 0, waited;

    if (d->program->in) {
        apr_file_close(d->program->in);
    }
    apr_file_close(d->program->out);
    for (waited = 0; waited < FAREWELL_MS && rv == APR_CHILD_NOTDONE; waited += 10) {
        rv = apr_proc_wait(d->program, &code, &why, APR_NOWAIT);
        if (rv == APR_CHILD_NOTDONE) {
            apr_sleep(apr_time_from_msec(10));
        }
    }
    if (rv == APR_CHILD_DONE && code != 0) {
        d->fate = apr_psprintf(d->b->p, ", which ended with %s %d", APR_PROC_CHECK_EXIT(why) ? "exit status" : "signal",
                               code);
    }
}

static void close_dialog(dialog *d)
{
    if (d->program) {
        end_program(d);
    }
    else if (d->owns_fd) {
        close(d->in);
    }
}

static const dialog_kind *kind_of(const char *directive)
{
    static const dialog_kind kinds[] = {
        { "|", RETRIES, open_pipe },
        { "exec:", 0, open_exec },
        { "", RETRIES, open_terminal }, /* builtin */
    };
    const dialog_kind *kind = kinds;

    while (strncmp(directive, kind->prefix, strlen(kind->prefix)) != 0) {
        kind++;
    }
    return kind;
}

/* --- the conversation --------------------------------------------------------------------- */

static void greet(dialog *d)
{
    if (!known_phrases) {
        say(d, apr_psprintf(d->b->p, "%s mod_ssl (Pass Phrase Dialog)\n"
                                     "Private keys are configured that only a pass phrase or PIN opens.\n",
                            AP_SERVER_BASEVERSION));
    }
    say(d, d->index >= 0 ? apr_psprintf(d->b->p, "\nPrivate key %s:%d (%s)\n", d->host, d->index, d->path) :
                           apr_psprintf(d->b->p, "\nPrivate key %s (%s)\n", d->host, d->path));
}

static void complain(dialog *d, const phrase *ph, int retries)
{
    say(d, !ph->text[0] ? "Apache:mod_ssl:Error: Pass phrase empty (needs to be at least 1 character).\n" :
           apr_psprintf(d->b->p, "Apache:mod_ssl:Error: Pass phrase incorrect (%d more retr%s permitted).\n", retries,
                        retries == 1 ? "y" : "ies"));
}

/* Asks until PH decrypts the key. */
static EVP_PKEY *converse(dialog *d, phrase *ph)
{
    int retries = d->kind->retries;
    EVP_PKEY *key;

    greet(d);
    for (;;) {
        say(d, "Enter pass phrase:");
        if (!read_phrase(d, ph)) {
            d->failure = SILENT;
            return NULL;
        }
        key = ph->text[0] ? decrypt(d->key, ph) : NULL;
        if (key) {
            say(d, "\nOK: Pass Phrase Dialog successful.\n");
            return key;
        }
        complain(d, ph, retries);
        if (retries-- == 0) {
            d->failure = ph->text[0] ? WRONG : SILENT;
            return NULL;
        }
    }
}

static void log_failure(dialog *d)
{
    if (d->failure == SILENT) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, d->b->server,
                     APLOGNO(02578) "%s: %s, and no pass phrase came from %s%s", d->host, d->need, d->source, d->fate);
    }
    else {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, d->b->server,
                     APLOGNO(02580) "%s: Pass phrase incorrect for %s: it came from %s%s", d->host, d->key->called,
                     d->source, d->fate);
    }
}

/* The place of KEY, whose path is an element of B's arrays, among its host's keys; of a client certificate's,
 * among those of its file: directories have no order. */
static int index_of(ssl_ctx_build *b, const locked_key *key)
{
    apr_array_header_t *certs = b->cfg->cert_files, *keys = b->cfg->key_files;
    int i, n_keys = keys ? keys->nelts : 0;

    if (key->number) {
        return key->number - 1;
    }
    for (i = 0; certs && i < certs->nelts; i++) {
        if (key->path == APR_ARRAY_IDX(i < n_keys ? keys : certs, i, const char *)) {
            return i;
        }
    }
    return 0;
}

/* "name:port" for dialogs: unlike b->id it does not look at addresses, as programs expect. */
static const char *dialog_host(ssl_ctx_build *b)
{
    const server_rec *s = b->server;

    return apr_psprintf(b->p, "%s:%u", s->server_hostname ? s->server_hostname : "", s->port ? s->port : 443u);
}

/* Who is to be asked about the object PATH, for this NEED. */
static dialog dialog_about(ssl_ctx_build *b, const char *path, int index, const char *need)
{
    const char *directive = ssl_global()->pass_phrase_dialog ? ssl_global()->pass_phrase_dialog : "builtin";
    dialog d = { .b = b, .path = path, .host = dialog_host(b), .index = index, .need = need, .in = -1, .out = -1,
                 .kind = kind_of(directive), .source = "", .fate = "" };

    return d;
}

static int open_dialog(dialog *d)
{
    const char *directive = ssl_global()->pass_phrase_dialog;

    return d->kind->open(d, directive ? directive + strlen(d->kind->prefix) : "");
}

static EVP_PKEY *ask(ssl_ctx_build *b, const locked_key *locked)
{
    dialog d = dialog_about(b, locked->path, index_of(b, locked),
                            apr_pstrcat(b->p, locked->called, " is encrypted", NULL));
    EVP_PKEY *key;
    phrase *ph;

    d.key = locked;
    if (!open_dialog(&d)) {
        return NULL;
    }
    ph = ap_calloc(1, sizeof(*ph));
    key = converse(&d, ph);
    close_dialog(&d);
    if (key) {
        ap_log_error(APLOG_MARK, APLOG_DEBUG, 0, b->server,
                     APLOGNO(02583) "%s: %s decrypted: pass phrase requested", b->id, locked->called);
        remember(ph, b->server->process->pconf);
        return key;
    }
    log_failure(&d);
    phrase_free(ph);
    return NULL;
}

/* --- PINs --------------------------------------------------------------------------------------- */

/* PROMPT and the URI but for what tells objects of a token apart: prompts need not name the token. */
static const char *question_of(ssl_pphrase_pin *pin, const char *prompt)
{
    const char *question = prompt;
    char *uri = apr_pstrdup(pin->b->p, pin->uri + strlen("pkcs11:")), *part, *state;

    uri[strcspn(uri, "?")] = '\0';
    for (part = apr_strtok(uri, ";", &state); part; part = apr_strtok(NULL, ";", &state)) {
        if (strncmp(part, "object=", 7) != 0 && strncmp(part, "id=", 3) != 0 && strncmp(part, "type=", 5) != 0) {
            question = apr_pstrcat(pin->b->p, question, "\n", part, NULL);
        }
    }
    return question;
}

/* The dialog about a PIN: one question, as each wrong answer brings a token nearer to being locked. */
static phrase *ask_pin(ssl_pphrase_pin *pin, const char *prompt)
{
    dialog d = dialog_about(pin->b, pin->uri, -1,
                            apr_psprintf(pin->b->p, "the token of '%s' wants its PIN", pin->uri));
    phrase *ph;
    int got;

    if (!open_dialog(&d)) {
        return NULL;
    }
    ph = ap_calloc(1, sizeof(*ph));
    ph->question = strdup(question_of(pin, prompt));
    greet(&d);
    say(&d, pin->notes);
    say(&d, prompt);
    got = read_phrase(&d, ph) && ph->text[0];
    close_dialog(&d);
    if (got) {
        pin->story = apr_psprintf(pin->b->p, "; its PIN came from %s%s", d.source, d.fate);
        return ph;
    }
    d.failure = SILENT;
    log_failure(&d);
    phrase_free(ph);
    return NULL;
}

static const phrase *known_pin(const char *question)
{
    const phrase *ph = known_phrases;

    while (ph && (!ph->question || strcmp(ph->question, question) != 0)) {
        ph = ph->next;
    }
    return ph;
}

/* What comes with the question: a token may warn that this try is the last one. */
static int write_pin_ui(UI *ui, UI_STRING *string)
{
    ssl_pphrase_pin *pin = UI_get0_user_data(ui);
    enum UI_string_types type = UI_get_string_type(string);

    if (type == UIT_INFO || type == UIT_ERROR) {
        const char *text = UI_get0_output_string(string);

        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, pin->b->server, "%s: the token of '%s' says: %s", pin->b->id,
                     pin->uri, text);
        pin->notes = apr_pstrcat(pin->b->p, pin->notes, text, "\n", NULL);
    }
    return 1;
}

static int read_pin_ui(UI *ui, UI_STRING *string)
{
    ssl_pphrase_pin *pin = UI_get0_user_data(ui);
    const phrase *ph;

    if (UI_get_string_type(string) != UIT_PROMPT) {
        return 1;
    }
    if (pin->kept) {
        pin->refused = 1;
        return 0;
    }
    ph = known_pin(question_of(pin, UI_get0_output_string(string)));
    if (!ph && !pin->phrase && !ssl_global()->reporting) {
        ph = pin->phrase = ask_pin(pin, UI_get0_output_string(string));
    }
    pin->asked = ph != NULL;
    return ph && UI_set_result(ui, string, ph->text) >= 0;
}

void ssl_pphrase_pin_begin(ssl_pphrase_pin *pin, ssl_ctx_build *b, const char *uri)
{
    memset(pin, 0, sizeof(*pin));
    pin->b = b;
    pin->uri = ssl_token_shown(b->p, uri);
    pin->story = pin->notes = "";
    pin->method = UI_create_method("SSLPassPhraseDialog");
    UI_method_set_writer(pin->method, write_pin_ui);
    UI_method_set_reader(pin->method, read_pin_ui);
}

void ssl_pphrase_pin_begin_for_key(ssl_pphrase_pin *pin, ssl_ctx_build *b, const char *uri)
{
    kept_key *kept;

    ssl_pphrase_pin_begin(pin, b, uri);
    kept = apr_hash_get(kept_keys(), pin->uri, APR_HASH_KEY_STRING);
    pin->kept = kept ? kept->key : NULL;
}

void ssl_pphrase_pin_end(ssl_pphrase_pin *pin, int worked)
{
    UI_destroy_method(pin->method);
    if (pin->phrase && worked) {
        remember(pin->phrase, pin->b->server->process->pconf);
    }
    else if (pin->phrase) {
        phrase_free(pin->phrase);
    }
}

EVP_PKEY *ssl_pphrase_pin_end_for_key(ssl_pphrase_pin *pin, EVP_PKEY *key)
{
    static const file_stamp none;

    if (key && pin->asked) {
        keep(pin->uri, &none, key);
    }
    ssl_pphrase_pin_end(pin, key != NULL);
    if (key || !pin->refused) {
        return key;
    }
    ap_log_error(APLOG_MARK, APLOG_INFO, 0, pin->b->server,
                 APLOGNO(02575) "Reusing existing private key from %s on restart", pin->uri);
    return reference(pin->kept);
}

/* --- the whole -------------------------------------------------------------------------------- */

static EVP_PKEY *decrypt_or_ask(ssl_ctx_build *b, const locked_key *locked)
{
    EVP_PKEY *key = decrypt_with_known(locked);

    if (key) {
        ap_log_error(APLOG_MARK, APLOG_DEBUG, 0, b->server,
                     APLOGNO(02584) "%s: %s decrypted: pass phrase reused", b->id, locked->called);
        return key;
    }
    return ask(b, locked);
}

static EVP_PKEY *load(ssl_ctx_build *b, const locked_key *locked)
{
    file_stamp stamp = stamp_of(locked->path, b->p);
    kept_key *kept = apr_hash_get(kept_keys(), locked->name, APR_HASH_KEY_STRING);
    EVP_PKEY *key;

    if (kept && same_stamp(&kept->stamp, &stamp)) {
        ap_log_error(APLOG_MARK, APLOG_INFO, 0, b->server,
                     APLOGNO(02575) "%s: %s was decrypted before the restart: reused", b->id, locked->called);
        return reference(kept->key);
    }
    key = decrypt_or_ask(b, locked);
    if (key) {
        keep(locked->name, &stamp, key);
        return key;
    }
    if (kept) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, b->server,
                     "%s: %s has changed and cannot be decrypted: the one that was there before stays in use", b->id,
                     locked->called);
        b->outdated_key = 1;
        return reference(kept->key);
    }
    return NULL;
}

EVP_PKEY *ssl_pphrase_load_key(ssl_ctx_build *b, const char *path)
{
    locked_key locked = { .path = path, .called = apr_psprintf(b->p, "the private key in '%s'", path), .name = path };

    return load(b, &locked);
}

/* The first is also the one that a server's key file stands for. */
EVP_PKEY *ssl_pphrase_load_numbered_key(ssl_ctx_build *b, const char *path, int number)
{
    locked_key locked = { .path = path, .number = number, .name = path };

    locked.called = apr_psprintf(b->p, "private key %d in '%s'", number, path);
    if (number > 1) {
        locked.name = apr_psprintf(b->p, "%s\n%d", path, number);
    }
    return load(b, &locked);
}
