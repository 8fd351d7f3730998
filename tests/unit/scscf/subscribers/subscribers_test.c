/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "scscf/subscribers/subscribers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/loop/sim.h"
#include "tests/support/suite.h"

#define TEN   "aaaaaaaaaa"
#define ALICE "001010000000001@ims.test"
#define BOB   "bob@ims.test"
#define K     "465b5ce8b199b49faa5f0a2ee238a6bc" /* TS 35.208 set 1 */
#define OP    "cdc202d5123e20f62b6d676ac72cb318"
#define OPC   "cd63cb71954a9f4e48a5994e37a02baf"

/* ---- a world with one database ---- */

static struct sim *sim;
static struct loop *loop;
static struct auth *auth;
static struct subscribers *subs;
static struct subscribers_error err;
static uint64_t seed;
static struct rnd rnd;

/* What the last done said; calls = how often. */
static struct subscribers_error said;
static int calls;

static void on_done(void *ctx, const struct subscribers_error *error)
{
    (void)ctx;
    said = *error;
    calls++;
}

static int open_subs(const char *path, size_t limit, unsigned queue)
{
    struct subscribers_config config = {
        .path = path, .auth = auth, .rnd = &rnd, .limit = limit, .queue_limit = queue};

    return subscribers_new(loop, &config, &subs, &err);
}

static void begin_at(const char *path, size_t limit, unsigned queue)
{
    seed = 1;
    rnd = rnd_seeded(&seed);
    calls = 0;
    memset(&err, 0, sizeof(err));
    CU_ASSERT_EQUAL_FATAL(sim_new(1, &sim), 0);
    loop = sim_loop(sim, "scscf");
    CU_ASSERT_EQUAL_FATAL(auth_new(&rnd, &auth), 0);
    CU_ASSERT_EQUAL_FATAL(open_subs(path, limit, queue), 0);
}

static void begin(void)
{
    begin_at(":memory:", 0, 0);
}

static void end(void)
{
    subscribers_free(subs);
    auth_free(auth);
    sim_free(sim);
}

static struct subscriber_spec card(const char *impi, const char *impu)
{
    return (struct subscriber_spec){.impi = span_str(impi),
                                    .impu = {span_str(impu)},
                                    .n_impu = 1,
                                    .k = SPAN(K),
                                    .opc = SPAN(OPC)};
}

static void add(const struct subscriber_spec *spec)
{
    CU_ASSERT_EQUAL_FATAL(subscribers_add(subs, spec, on_done, NULL, &err), 0);
    sim_run(sim, 10 * MSEC);
    CU_ASSERT_EQUAL_FATAL(said.code, 0);
}

static void add_alice(void)
{
    struct subscriber_spec spec = card(ALICE, "sip:alice@ims.test");

    add(&spec);
}

/* ---- files ---- */

static char dir[TEST_FOLDER_MAX], file[64];

static void files_begin(void)
{
    test_folder(dir);
    (void)snprintf(file, sizeof(file), "%s/s.db", dir);
}

static void copy(const char *from, const char *to)
{
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    int c;

    CU_ASSERT_PTR_NOT_NULL_FATAL(in);
    CU_ASSERT_PTR_NOT_NULL_FATAL(out);
    while ((c = fgetc(in)) != EOF)
        (void)fputc(c, out);
    (void)fclose(in);
    (void)fclose(out);
}

/* What a disk holds when the process is killed now; goes on with that as `file`. */
static void crash(void)
{
    char from[80], to[80], other[64];

    (void)snprintf(other, sizeof(other), "%s/t.db", dir);
    copy(file, other);
    (void)snprintf(from, sizeof(from), "%s-wal", file);
    (void)snprintf(to, sizeof(to), "%s-wal", other);
    copy(from, to);
    subscribers_free(subs);
    (void)unlink(file);
    (void)unlink(from);
    CU_ASSERT_EQUAL(rename(other, file), 0);
    CU_ASSERT_EQUAL(rename(to, from), 0);
    CU_ASSERT_EQUAL_FATAL(open_subs(file, 0, 0), 0);
}

static void restart(void)
{
    subscribers_free(subs);
    CU_ASSERT_EQUAL_FATAL(open_subs(file, 0, 0), 0);
}

static void files_end(void)
{
    char name[80];

    end();
    (void)unlink(file);
    (void)snprintf(name, sizeof(name), "%s-wal", file);
    (void)unlink(name);
    CU_ASSERT_EQUAL(rmdir(dir), 0);
}

/* ---- a card ---- */

static struct aka_key alice_key(void)
{
    struct aka_key key = {.amf = {0x80, 0}};
    size_t n;

    CU_ASSERT_EQUAL(hex_decode(SPAN(K), key.k, sizeof(key.k), &n), 0);
    CU_ASSERT_EQUAL(hex_decode(SPAN(OPC), key.opc, sizeof(key.opc), &n), 0);
    return key;
}

/* What the card reads from a vector; MAC-A must be right. */
static uint64_t sqn_of(const struct aka_vector *v)
{
    struct aka_key key = alice_key();
    struct milenage_keys keys;
    uint8_t sqn[AKA_SQN_LEN], mac_a[AKA_MAC_LEN], mac_s[AKA_MAC_LEN];
    uint64_t n = 0;

    CU_ASSERT_EQUAL(milenage_f2345(auth, &key, v->rand, &keys), 0);
    for (int i = 0; i < AKA_SQN_LEN; i++) {
        sqn[i] = v->autn[i] ^ keys.ak[i];
        n = n << 8 | sqn[i];
    }
    CU_ASSERT_EQUAL(milenage_f1(auth, &key, v->rand, sqn, v->autn + AKA_SQN_LEN, mac_a, mac_s), 0);
    CU_ASSERT(bytes_eq_consttime(mac_a, v->autn + 8, AKA_MAC_LEN));
    CU_ASSERT(bytes_eq_consttime(keys.res, v->xres, AKA_RES_LEN));
    return n;
}

static uint64_t take(void)
{
    struct aka_vector v;

    CU_ASSERT_EQUAL_FATAL(subscribers_vector_take(subs, SPAN(ALICE), &v), 0);
    return sqn_of(&v);
}

/* The card says that its highest number is sqn_ms. */
static int refuse(uint64_t sqn_ms, uint8_t spoil)
{
    static const uint8_t rand[AKA_RAND_LEN] = {4, 4, 4}, amf_star[AKA_AMF_LEN] = {0};
    struct aka_key key = alice_key();
    struct milenage_keys keys;
    uint8_t sqn[AKA_SQN_LEN], auts[AKA_AUTS_LEN], mac_a[AKA_MAC_LEN];

    for (int i = 0; i < AKA_SQN_LEN; i++)
        sqn[i] = (uint8_t)(sqn_ms >> (40 - 8 * i));
    CU_ASSERT_EQUAL(milenage_f2345(auth, &key, rand, &keys), 0);
    CU_ASSERT_EQUAL(milenage_f1(auth, &key, rand, sqn, amf_star, mac_a, auts + AKA_SQN_LEN), 0);
    for (int i = 0; i < AKA_SQN_LEN; i++)
        auts[i] = sqn[i] ^ keys.ak_star[i];
    auts[13] ^= spoil;
    return subscribers_resync(subs, SPAN(ALICE), rand, auts);
}

static struct subscribers_stats stats(void)
{
    struct subscribers_stats st;

    subscribers_stats_get(subs, &st);
    return st;
}

/* ---- identities ---- */

static void a_subscriber_is_in_force_once_the_disk_has_it(void)
{
    struct subscriber_spec spec = card(ALICE, "sip:alice@ims.test");

    begin();
    sim_thread_latency(sim, 5 * MSEC);
    CU_ASSERT_EQUAL(subscribers_add(subs, &spec, on_done, NULL, &err), 0);
    sim_run(sim, 4 * MSEC);
    CU_ASSERT_EQUAL(calls, 0);
    CU_ASSERT_PTR_NULL(subscribers_find_impi(subs, SPAN(ALICE)));
    sim_run(sim, 4 * MSEC);
    CU_ASSERT_EQUAL(calls, 1);
    CU_ASSERT_EQUAL(said.code, 0);
    CU_ASSERT_PTR_NOT_NULL(subscribers_find_impi(subs, SPAN(ALICE)));
    CU_ASSERT_EQUAL(subscribers_count(subs), 1);
    end();
}

static void check_alice_in_full(void)
{
    const struct subscriber *s = subscribers_find_impi(subs, SPAN(ALICE));
    struct digest_ha1 ha1, want;

    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    CU_ASSERT_EQUAL_FATAL(s->n_impu, 3);
    ASSERT_SPAN_EQ(s->impu[0].uri, "sip:alice@ims.test");
    ASSERT_SPAN_EQ(s->impu[1].uri, "tel:+49301234");
    ASSERT_SPAN_EQ(s->impu[2].uri, "sip:001010000000001@ims.test");
    CU_ASSERT(!s->impu[0].barred && !s->impu[1].barred && s->impu[2].barred);
    ASSERT_SPAN_EQ(s->display_name, "Alice A.");
    ASSERT_SPAN_EQ(s->realm, "ims.test");
    CU_ASSERT_EQUAL(s->media, SUBSCRIBER_AUDIO | SUBSCRIBER_TEXT);
    CU_ASSERT(s->barred_out && !s->barred_in);
    CU_ASSERT(s->has_aka && s->has_digest);
    CU_ASSERT_EQUAL(subscribers_ha1(subs, SPAN(ALICE), &ha1), 0);
    CU_ASSERT_EQUAL(
        digest_ha1_make(auth, SPAN(ALICE), SPAN("ims.test"), SPAN("open sesame"), &want), 0);
    CU_ASSERT(bytes_eq_consttime(ha1.hex, want.hex, DIGEST_HEX_LEN));
}

static void everything_said_of_a_subscriber_survives_a_restart(void)
{
    static const char *const arguments[][2] = {{"impi", ALICE},
                                               {"impu", "sip:alice@IMS.test;transport=tcp"},
                                               {"impu", "tel:+49-30-1234"},
                                               {"impu", "sip:001010000000001@ims.test"},
                                               {"k", K},
                                               {"op", OP},
                                               {"amf", "8000"},
                                               {"sqn", "0x1000"},
                                               {"password", "open sesame"},
                                               {"display-name", "Alice A."},
                                               {"media", "audio, text"},
                                               {"barred", "out"},
                                               {"barred-impu", "sip:001010000000001@ims.test"}};
    struct subscriber_spec spec = {0};

    files_begin();
    begin_at(file, 0, 0);
    for (size_t i = 0; i < ARRAY_LEN(arguments); i++)
        CU_ASSERT_EQUAL(
            subscriber_spec_set(&spec, span_str(arguments[i][0]), span_str(arguments[i][1]), &err),
            0);
    add(&spec);
    check_alice_in_full();
    CU_ASSERT_EQUAL(take() >> 5, (0x1000 >> 5) + 1);
    restart();
    check_alice_in_full();
    CU_ASSERT(take() >> 5 > (0x1000 >> 5) + 1); /* also shows K, and OPc made of OP */
    files_end();
}

static void an_identity_is_found_under_every_way_to_write_it(void)
{
    static const struct {
        const char *uri, *impu; /* NULL: not found */
    } cases[] = {
        {"sip:alice@ims.test", "sip:alice@ims.test"},
        {"SIP:alice@IMS.Test", "sip:alice@ims.test"},
        {"sips:alice@ims.test", "sip:alice@ims.test"},
        {"sip:alice@ims.test:5061;transport=tcp;lr", "sip:alice@ims.test"},
        {"sip:alice:secret@ims.test", "sip:alice@ims.test"},
        {"sip:%61lice@ims.test", "sip:alice@ims.test"},
        {"sip:alice@ims.test?Subject=x", "sip:alice@ims.test"},
        {"sip:Alice@ims.test", NULL}, /* the user part knows case */
        {"sip:alice@ims.test.evil", NULL},
        {"sip:ims.test", NULL},
        {"alice@ims.test", NULL},
        {"", NULL},
        {"tel:+49301234", "tel:+49301234"},
        {"tel:+49-(30)-12.34", "tel:+49301234"},
        {"tel:+49301234;cpc=ordinary", "tel:+49301234"},
        {"tel:49301234", NULL},
        {"sip:+49301234@ims.test;user=phone", "tel:+49301234"},
        {"sip:+49301234;isub=1@other.test;user=phone", "tel:+49301234"},
        {"sip:+49301234@ims.test", NULL}, /* a name of digits, nobody's */
        {"sip:100%25@ims.test", "sip:100%25@ims.test"},
        {"sip:100%@ims.test", NULL},
        {"urn:service:sos", NULL},
    };
    struct subscriber_spec spec = card(ALICE, "sip:alice@ims.test");
    char big[400];

    begin();
    spec.impu[1] = SPAN("tel:+49301234");
    spec.impu[2] = SPAN("sip:100%25@ims.test");
    spec.n_impu = 3;
    add(&spec);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct subscriber_impu *impu = NULL;
        const struct subscriber *s = subscribers_find_impu(subs, span_str(cases[i].uri), &impu);

        CU_ASSERT_EQUAL(s != NULL, cases[i].impu != NULL);
        if (s && cases[i].impu) {
            ASSERT_SPAN_EQ(impu->uri, cases[i].impu);
            ASSERT_SPAN_EQ(s->impi, ALICE);
        }
    }
    memset(big, 'a', sizeof(big));
    memcpy(big, "sip:", 4);
    memcpy(big + sizeof(big) - 9, "@ims.test", 9);
    CU_ASSERT_PTR_NULL(subscribers_find_impu(subs, span_of(big, sizeof(big)), NULL));
    end();
}

static void wrong_arguments_are_explained(void)
{
    static const struct {
        const char *name, *value; /* replaces that of a good set; NULL: left out */
        int rc;
        const char *text, *remedy;
    } cases[] = {
        {"impi", NULL, -EINVAL, "impi \"\"", "user@realm"},
        {"impi", "alice", -EINVAL, "impi \"alice\"", "user@realm"},
        {"impi", "al ice@x", -EINVAL, "private identity", "user@realm"},
        {"impi", "a\"b@x", -EINVAL, "private identity", "user@realm"},
        {"impi", BOB, -EEXIST, "bob@ims.test is there already", "delete"},
        {"impu", NULL, -EINVAL, "no public identity", "at least one"},
        {"impu", "alice", -EINVAL, "impu \"alice\"", "sip:"},
        {"impu", "tel:110;phone-context=+49", -EINVAL, "public identity", "tel:+number"},
        {"impu", "sip:" TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN "@ims.test", -EINVAL,
         "public identity", "sip:"},
        {"impu", "mailto:a@b", -EINVAL, "public identity", "sip:"},
        {"impu", "sip:BOB@ims.test", -EINVAL, NULL, NULL}, /* fine: another name than bob */
        {"impu", "sip:bob@IMS.test", -EEXIST, "belongs to bob@ims.test", "choose another"},
        {"k", "465b", -EINVAL, "k has 4 characters that are not 32", "hexadecimal"},
        {"k", K "00", -EINVAL, "k has 34", "hexadecimal"},
        {"k", NULL, -EINVAL, "opc, op, amf or sqn without k", "give k"},
        {"opc", "zz63cb71954a9f4e48a5994e37a02baf", -EINVAL, "opc has 32", "hexadecimal"},
        {"opc", NULL, -EINVAL, "k without opc or op", "opc"},
        {"op", OP, -EINVAL, "both given", "one of them"},
        {"amf", "80", -EINVAL, "amf has 2", "hexadecimal"},
        {"sqn", "281474976710656", -EINVAL, "48 bits", "decimal"},
        {"sqn", "0x", -EINVAL, "48 bits", "0x"},
        {"sqn", "0xffffffffffff0", -EINVAL, "48 bits", "0x"},
        {"sqn", "-1", -EINVAL, "48 bits", "0x"},
        {"media", "audio,smell", -EINVAL, "\"smell\"", "audio video text other"},
        {"media", "", -EINVAL, "\"\"", "audio"},
        {"barred", "all", -EINVAL, "\"all\"", "out in"},
        {"barred-impu", "sip:carol@ims.test", -EINVAL, "not among", "as impu"},
        {"barred-impu", "carol", -EINVAL, "impu \"carol\"", "sip:"},
        {"display-name", "a\"b", -EINVAL, "display-name", "quotes"},
        {"display-name", "a\r\nb", -EINVAL, "display-name", "control"},
        {"realm", "", -EINVAL, "realm", "home domain"},
    };
    struct subscriber_spec bob = card(BOB, "sip:bob@ims.test");

    begin();
    add(&bob);
    calls = 0;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *good[][2] = {
            {"impi", ALICE}, {"impu", "sip:alice@ims.test"}, {"k", K}, {"opc", OPC}, {"sqn", "0"}};
        struct subscriber_spec spec = {0};
        int rc;

        for (size_t k = 0; k < ARRAY_LEN(good); k++)
            if (strcmp(good[k][0], cases[i].name) != 0)
                CU_ASSERT_EQUAL(
                    subscriber_spec_set(&spec, span_str(good[k][0]), span_str(good[k][1]), &err),
                    0);
        if (cases[i].value)
            CU_ASSERT_EQUAL(
                subscriber_spec_set(&spec, span_str(cases[i].name), span_str(cases[i].value), &err),
                0);
        if (!cases[i].text)
            continue;
        memset(&err, 0, sizeof(err));
        rc = subscribers_add(subs, &spec, on_done, NULL, &err);
        CU_ASSERT_EQUAL(rc, cases[i].rc);
        CU_ASSERT_EQUAL(err.code, cases[i].rc);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, cases[i].text));
        CU_ASSERT_PTR_NOT_NULL(strstr(err.remedy, cases[i].remedy));
        CU_ASSERT_PTR_NULL(strstr(err.text, "954a9f4e")); /* never a key */
    }
    sim_run(sim, SEC);
    CU_ASSERT_EQUAL(calls, 0); /* refused at once means no done */
    CU_ASSERT_EQUAL(subscribers_count(subs), 1);
    end();
}

static void somebody_without_key_and_password_is_refused(void)
{
    struct subscriber_spec spec = {
        .impi = SPAN(ALICE), .impu = {SPAN("sip:alice@ims.test")}, .n_impu = 1};

    begin();
    CU_ASSERT_EQUAL(subscribers_add(subs, &spec, on_done, NULL, &err), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.remedy, "a password"));
    spec.password = SPAN("");
    CU_ASSERT_EQUAL(subscribers_add(subs, &spec, on_done, NULL, &err), -EINVAL);
    spec.password = SPAN("x");
    add(&spec);
    end();
}

static void arguments_are_known_by_name_and_given_once(void)
{
    struct subscriber_spec spec = {0};

    CU_ASSERT_EQUAL(subscriber_spec_set(&spec, SPAN("sqn"), SPAN("1"), &err), 0);
    CU_ASSERT_EQUAL(subscriber_spec_set(&spec, SPAN("sqn"), SPAN("2"), &err), -EEXIST);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "sqn"));
    CU_ASSERT_EQUAL(subscriber_spec_set(&spec, SPAN("msisdn"), SPAN("1"), &err), -ENOENT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "msisdn"));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.remedy, "impu"));
    for (int i = 0; i < SUBSCRIBER_IMPUS; i++)
        CU_ASSERT_EQUAL(subscriber_spec_set(&spec, SPAN("impu"), SPAN("sip:a@b"), &err), 0);
    CU_ASSERT_EQUAL(subscriber_spec_set(&spec, SPAN("impu"), SPAN("sip:a@b"), &err), -E2BIG);
}

static void an_identity_given_twice_is_refused(void)
{
    struct subscriber_spec spec = card(ALICE, "sip:alice@ims.test");

    begin();
    spec.impu[1] = SPAN("sips:alice@IMS.test");
    spec.n_impu = 2;
    CU_ASSERT_EQUAL(subscribers_add(subs, &spec, on_done, NULL, &err), -EEXIST);
    end();
}

static void of_two_who_want_the_same_identity_at_once_one_gets_it(void)
{
    struct subscriber_spec alice = card(ALICE, "sip:x@ims.test"), bob = card(BOB, "sip:x@ims.test");

    begin();
    CU_ASSERT_EQUAL(subscribers_add(subs, &alice, on_done, NULL, &err), 0);
    CU_ASSERT_EQUAL(subscribers_add(subs, &bob, on_done, NULL, &err), 0);
    sim_run(sim, SEC);
    CU_ASSERT_EQUAL(calls, 2);
    CU_ASSERT_EQUAL(said.code, -EEXIST);
    CU_ASSERT_PTR_NOT_NULL(strstr(said.text, "identity.uri"));
    CU_ASSERT_EQUAL(subscribers_count(subs), 1);
    CU_ASSERT_PTR_NULL(subscribers_find_impi(subs, SPAN(BOB)));
    end();
}

static void the_number_of_subscribers_and_of_waiting_changes_is_bounded(void)
{
    struct subscriber_spec alice = card(ALICE, "sip:a@ims.test"), bob = card(BOB, "sip:b@ims.test");

    begin_at(":memory:", 1, 0);
    CU_ASSERT_EQUAL(subscribers_add(subs, &alice, on_done, NULL, &err), 0);
    CU_ASSERT_EQUAL(subscribers_add(subs, &bob, on_done, NULL, &err), -ENOSPC);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.remedy, "limit"));
    end();
    begin_at(":memory:", 2, 0);
    add(&alice);
    add(&bob);
    end();
    begin_at(":memory:", 0, 1);
    CU_ASSERT_EQUAL(subscribers_add(subs, &alice, on_done, NULL, &err), 0);
    CU_ASSERT_EQUAL(subscribers_add(subs, &bob, on_done, NULL, &err), -EBUSY);
    end();
    CU_ASSERT_EQUAL(calls, 1); /* freeing delivers */
}

static void a_deleted_subscriber_leaves_its_identities_to_others(void)
{
    struct subscriber_spec bob = card(BOB, "sip:alice@ims.test");

    files_begin();
    begin_at(file, 0, 0);
    add_alice();
    CU_ASSERT_EQUAL(subscribers_delete(subs, SPAN(ALICE), on_done, NULL, &err), 0);
    CU_ASSERT_EQUAL(subscribers_delete(subs, SPAN(ALICE), on_done, NULL, &err), 0);
    sim_run(sim, SEC);
    CU_ASSERT_EQUAL(calls, 3);
    CU_ASSERT_EQUAL(said.code, -ENOENT); /* the second one came too late */
    CU_ASSERT_PTR_NULL(subscribers_find_impi(subs, SPAN(ALICE)));
    CU_ASSERT_PTR_NULL(subscribers_find_impu(subs, SPAN("sip:alice@ims.test"), NULL));
    CU_ASSERT_EQUAL(subscribers_delete(subs, SPAN(ALICE), on_done, NULL, &err), -ENOENT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.remedy, "list"));
    add(&bob);
    restart();
    CU_ASSERT_EQUAL(subscribers_count(subs), 1);
    CU_ASSERT_PTR_NOT_NULL(subscribers_find_impu(subs, SPAN("sip:alice@ims.test"), NULL));
    files_end();
}

static char listed[200];

static void on_page(void *ctx, const struct subscribers_error *error,
                    const struct subscriber *const *page, size_t n)
{
    struct buf b = BUF_ON(listed);

    (void)ctx;
    said = *error;
    for (size_t i = 0; i < n; i++)
        buf_fmt(&b, "%.*s ", SPAN_ARG(page[i]->impi));
    buf_putc(&b, '\0');
}

static void a_list_comes_in_pages_and_in_order(void)
{
    static const char *const impis[] = {"d@x", "a@x", "c@x", "b@x"};

    begin();
    for (size_t i = 0; i < ARRAY_LEN(impis); i++) {
        char impu[16];
        struct subscriber_spec spec;

        (void)snprintf(impu, sizeof(impu), "sip:%s", impis[i]);
        spec = card(impis[i], impu);
        add(&spec);
    }
    CU_ASSERT_EQUAL(subscribers_list(subs, SPAN_NONE, 3, on_page, NULL, &err), 0);
    sim_run(sim, SEC);
    CU_ASSERT_STRING_EQUAL(listed, "a@x b@x c@x ");
    CU_ASSERT_EQUAL(subscribers_list(subs, SPAN("c@x"), 3, on_page, NULL, &err), 0);
    sim_run(sim, SEC);
    CU_ASSERT_STRING_EQUAL(listed, "d@x ");
    CU_ASSERT_EQUAL(subscribers_list(subs, SPAN("d@x"), 0, on_page, NULL, &err), 0);
    sim_run(sim, SEC);
    CU_ASSERT_STRING_EQUAL(listed, "");
    CU_ASSERT_EQUAL(said.code, 0);
    end();
}

/* ---- sequence numbers ---- */

static void every_vector_has_the_next_number(void)
{
    uint64_t before = 0;

    begin();
    add_alice();
    for (int i = 0; i < 200; i++) {
        uint64_t sqn = take();

        CU_ASSERT_EQUAL(sqn >> 5, (before >> 5) + 1);
        CU_ASSERT_EQUAL(sqn & 31, 1 + (unsigned)i % 31);
        before = sqn;
        sim_run(sim, MSEC);
    }
    CU_ASSERT_EQUAL(stats().vectors, 200);
    CU_ASSERT_EQUAL(stats().sqn_waits, 0);
    /* One write per half a block. */
    CU_ASSERT(stats().sqn_writes >= 10 && stats().sqn_writes <= 13);
    end();
}

static void who_cannot_have_a_vector_is_told_why(void)
{
    struct subscriber_spec bob = {
        .impi = SPAN(BOB), .impu = {SPAN("sip:bob@ims.test")}, .n_impu = 1, .password = SPAN("x")};
    struct subscriber_spec alice = card(ALICE, "sip:alice@ims.test");
    struct aka_vector v;
    struct digest_ha1 ha1;

    begin();
    add(&bob);
    alice.sqn = SPAN("0xffffffffffe5");
    add(&alice);
    CU_ASSERT_EQUAL(subscribers_vector_take(subs, SPAN("nobody@x"), &v), -ENOENT);
    CU_ASSERT_EQUAL(subscribers_vector_take(subs, SPAN(BOB), &v), -ENOKEY);
    CU_ASSERT_EQUAL(subscribers_vector_take(subs, SPAN(ALICE), &v), -EOVERFLOW);
    CU_ASSERT_EQUAL(subscribers_ha1(subs, SPAN("nobody@x"), &ha1), -ENOENT);
    CU_ASSERT_EQUAL(subscribers_ha1(subs, SPAN(ALICE), &ha1), -ENOKEY);
    end();
}

static void no_number_is_used_twice_however_often_the_process_is_killed(void)
{
    uint64_t highest = 0;

    files_begin();
    begin_at(file, 0, 0);
    add_alice();
    sim_thread_latency(sim, 3 * MSEC);
    for (int life = 1; life < 40; life++) {
        for (int i = 0; i < life; i++) {
            uint64_t sqn = take();

            CU_ASSERT_FATAL(sqn >> 5 > highest >> 5);
            highest = sqn;
            sim_run(sim, MSEC);
        }
        crash();
    }
    files_end();
}

static void a_block_that_was_used_up_is_skipped_whole_after_a_crash(void)
{
    uint64_t last = 0;

    files_begin();
    begin_at(file, 0, 0);
    add_alice();
    for (int i = 0; i < SUBSCRIBERS_SQN_BLOCK; i++) /* in one turn: the disk hears nothing of it */
        last = take();
    crash();
    CU_ASSERT_EQUAL(take() >> 5, (last >> 5) + 1);
    files_end();
}

static void a_disk_that_falls_behind_stops_vectors_at_the_bound_and_not_before(void)
{
    struct aka_vector v;

    begin();
    add_alice();
    sim_thread_latency(sim, 10 * SEC);
    for (int i = 0; i < SUBSCRIBERS_SQN_BLOCK; i++)
        CU_ASSERT_EQUAL(take() >> 5, (uint64_t)i + 1);
    CU_ASSERT_EQUAL(subscribers_vector_take(subs, SPAN(ALICE), &v), -EAGAIN);
    sim_run(sim, SEC);
    CU_ASSERT_EQUAL(subscribers_vector_take(subs, SPAN(ALICE), &v), -EAGAIN);
    CU_ASSERT_EQUAL(stats().sqn_waits, 2);
    sim_run(sim, 10 * SEC);
    CU_ASSERT_EQUAL(take() >> 5, SUBSCRIBERS_SQN_BLOCK + 1);
    end();
}

static void a_phone_that_is_ahead_takes_us_along(void)
{
    files_begin();
    begin_at(file, 0, 0);
    add_alice();
    (void)take();
    CU_ASSERT_EQUAL(refuse(UINT64_C(5000) << 5 | 7, 0), 0);
    CU_ASSERT_EQUAL(take() >> 5, 5001);
    sim_run(sim, SEC);
    crash();
    CU_ASSERT(take() >> 5 > 5001);
    files_end();
}

static void a_phone_that_we_left_far_behind_calls_us_back(void)
{
    struct subscriber_spec spec = card(ALICE, "sip:alice@ims.test");

    begin();
    spec.sqn = SPAN("0x800000000000");
    add(&spec);
    CU_ASSERT_EQUAL(refuse(100 << 5, 0), 0);
    CU_ASSERT_EQUAL(take() >> 5, 101);
    CU_ASSERT_EQUAL(refuse(50 << 5, 0), 0); /* 102 would do: nothing changes */
    CU_ASSERT_EQUAL(take() >> 5, 102);
    end();
}

static void a_resynchronisation_is_not_overtaken_by_an_older_write(void)
{
    files_begin();
    begin_at(file, 0, 0);
    add_alice();
    sim_thread_latency(sim, 5 * MSEC);
    for (int i = 0; i < 20; i++) /* a write is on its way */
        (void)take();
    CU_ASSERT_EQUAL(refuse(UINT64_C(9000) << 5, 0), 0);
    sim_run(sim, 50 * MSEC);
    for (int i = 0; i < 10; i++) /* the bound is that of the new number */
        CU_ASSERT_EQUAL(take() >> 5, 9001 + (uint64_t)i);
    crash();
    CU_ASSERT(take() >> 5 > 9010);
    files_end();
}

static void a_forged_auts_changes_nothing(void)
{
    begin();
    add_alice();
    (void)take();
    CU_ASSERT_EQUAL(refuse(UINT64_C(5000) << 5, 1), -EACCES);
    CU_ASSERT_EQUAL(take() >> 5, 2);
    CU_ASSERT_EQUAL(stats().resyncs, 0);
    end();
}

static void a_subscriber_may_go_while_its_number_is_written(void)
{
    begin();
    add_alice();
    sim_thread_latency(sim, 5 * MSEC);
    CU_ASSERT_EQUAL(subscribers_delete(subs, SPAN(ALICE), on_done, NULL, &err), 0);
    sim_run(sim, MSEC); /* the delete is with the disk: what comes now is done after it */
    for (int i = 0; i < 20; i++)
        (void)take();
    sim_run(sim, SEC);
    CU_ASSERT_EQUAL(subscribers_count(subs), 0);
    CU_ASSERT_EQUAL(stats().sqn_writes, 1);
    end();
}

static void a_database_that_cannot_be_opened_is_explained(void)
{
    begin();
    struct subscribers *keep = subs;

    CU_ASSERT_EQUAL(open_subs("/nonexistent/s.db", 0, 0), -ENOENT);
    CU_ASSERT_EQUAL(err.code, -ENOENT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "/nonexistent/s.db"));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.remedy, "directory"));
    subs = keep;
    end();
}

TEST_MAIN("scscf/subscribers",
          {"a subscriber is in force once the disk has it",
           a_subscriber_is_in_force_once_the_disk_has_it},
          {"everything said of a subscriber survives a restart",
           everything_said_of_a_subscriber_survives_a_restart},
          {"an identity is found under every way to write it",
           an_identity_is_found_under_every_way_to_write_it},
          {"wrong arguments are explained", wrong_arguments_are_explained},
          {"somebody without key and password is refused",
           somebody_without_key_and_password_is_refused},
          {"arguments are known by name and given once",
           arguments_are_known_by_name_and_given_once},
          {"an identity given twice is refused", an_identity_given_twice_is_refused},
          {"of two who want the same identity at once one gets it",
           of_two_who_want_the_same_identity_at_once_one_gets_it},
          {"the number of subscribers and of waiting changes is bounded",
           the_number_of_subscribers_and_of_waiting_changes_is_bounded},
          {"a deleted subscriber leaves its identities to others",
           a_deleted_subscriber_leaves_its_identities_to_others},
          {"a list comes in pages and in order", a_list_comes_in_pages_and_in_order},
          {"every vector has the next number", every_vector_has_the_next_number},
          {"who cannot have a vector is told why", who_cannot_have_a_vector_is_told_why},
          {"no number is used twice however often the process is killed",
           no_number_is_used_twice_however_often_the_process_is_killed},
          {"a block that was used up is skipped whole after a crash",
           a_block_that_was_used_up_is_skipped_whole_after_a_crash},
          {"a disk that falls behind stops vectors at the bound and not before",
           a_disk_that_falls_behind_stops_vectors_at_the_bound_and_not_before},
          {"a phone that is ahead takes us along", a_phone_that_is_ahead_takes_us_along},
          {"a phone that we left far behind calls us back",
           a_phone_that_we_left_far_behind_calls_us_back},
          {"a resynchronisation is not overtaken by an older write",
           a_resynchronisation_is_not_overtaken_by_an_older_write},
          {"a forged AUTS changes nothing", a_forged_auts_changes_nothing},
          {"a subscriber may go while its number is written",
           a_subscriber_may_go_while_its_number_is_written},
          {"a database that cannot be opened is explained",
           a_database_that_cannot_be_opened_is_explained})
