/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/conf/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/suite.h"

enum { NULL_CIPHER, AES_CBC, AES_GCM };
static const char *const ciphers[] = {"null", "aes-cbc", "aes-gcm", NULL};

struct peer {
    const char *identity;
    struct addr address;
    uint64_t timeout;
};

struct values {
    struct addr gm, mw, metrics;
    const char *realm, *host;
    int64_t sets;
    bool require;
    uint64_t expiry, size;
    struct conf_ports media;
    int cipher;
    const char *dir;
    struct secret key;
    struct conf_strings names;
    struct conf_enums order;
    struct conf_addrs dns;
    struct conf_nets allow;
    struct conf_list peers;
};

static const struct conf_option peer_options[] = {
    {"identity", CONF_STRING, offsetof(struct peer, identity), NULL, "Diameter identity."},
    {"address", CONF_ADDR_PORT, offsetof(struct peer, address), NULL, "Where it listens."},
    {"timers.answer", CONF_DURATION, offsetof(struct peer, timeout), "2 s", "Wait for answers."},
};

#define AT(field) offsetof(struct values, field)
static const struct conf_option options[] = {
    {"gm.address", CONF_ADDR, AT(gm), NULL, "Where phones find us."},
    {"mw.listen", CONF_ADDR_PORT, AT(mw), "127.0.0.1:5070", "Towards the core."},
    {"metrics", CONF_ADDR_PORT, AT(metrics), "", "For Prometheus.", .any = true},
    {"gm.sets", CONF_INT, AT(sets), "100", "Most SA sets.", 1, 1000, "sets"},
    {"gm.require_ipsec", CONF_BOOL, AT(require), "true", "Refuse phones without IPsec."},
    {"realm", CONF_STRING, AT(realm), "${program}.example.net", "Home network."},
    {"host", CONF_NAME, AT(host), "a.example", "Our name."},
    {"timers.expiry", CONF_DURATION, AT(expiry), "1 h", "Registration.", 60000000, 86400000000},
    {"limits.message", CONF_SIZE, AT(size), "64 KiB", "Longest message.", 1024, 1048576},
    {"media.ports", CONF_PORTS, AT(media), "30000-39999", "Media ports."},
    {"gm.cipher", CONF_ENUM, AT(cipher), "aes-cbc", "First choice.", .names = ciphers},
    {"state", CONF_PATH, AT(dir), "/var/lib/portcullis", "Where state is kept."},
    {"key_file", CONF_SECRET_FILE, AT(key), "", "Key of tokens."},
    {"names", CONF_STRINGS, AT(names), "[a, b]", "Names.", 0, 3},
    {"gm.ciphers", CONF_ENUMS, AT(order), "[aes-cbc, null]", "In order.", .names = ciphers},
    {"dns", CONF_ADDRS, AT(dns), "[]", "Servers."},
    {"mw.allow", CONF_NETS, AT(allow), "[]", "Who may."},
    {"peers", CONF_LIST, AT(peers), NULL, "Diameter peers.", .items = peer_options,
     .n_items = ARRAY_LEN(peer_options), .item_size = sizeof(struct peer)},
};

static void check(const struct conf *c, struct conf_report *report)
{
    const struct values *v = conf_values(c, 0);
    if (v->sets == 13)
        conf_fault(c, report, "gm.sets", "take another", "gm.sets: %d is unlucky", 13);
}

static const struct conf_table tables[] = {{options, ARRAY_LEN(options), sizeof(struct values)}};
static const struct conf_schema schema = {"test", "a program for tests", tables, 1, check};

static const struct values *good(const char *yaml, struct conf **ret_conf)
{
    struct conf_report report;
    char text[4096];
    struct buf b = {text, 0, sizeof(text) - 1, false};
    int rc = conf_parse(&schema, span_str(yaml), "test.yaml", ret_conf, &report);
    conf_report_text(&report, &b);
    if (rc < 0)
        printf("\n%.*s\n", SPAN_ARG(buf_span(&b)));
    CU_ASSERT_EQUAL_FATAL(rc, 0);
    return conf_values(*ret_conf, 0);
}

static void assert_report(const char *yaml, const char *want)
{
    struct conf_report report;
    struct conf *c = NULL;
    char text[8192];
    struct buf b = BUF_ON(text);
    CU_ASSERT_EQUAL(conf_parse(&schema, span_str(yaml), "f", &c, &report), -EINVAL);
    CU_ASSERT_PTR_NULL(c);
    conf_report_text(&report, &b);
    ASSERT_SPAN_EQ(buf_span(&b), want);
}

static void every_type_is_read(void)
{
    struct conf *c;
    const struct values *v = good("gm:\n"
                                  "  address: 2001:db8::1\n"
                                  "  sets: 7\n"
                                  "  require_ipsec: No\n"
                                  "  cipher: aes-gcm\n"
                                  "  ciphers: [null, aes-gcm]\n"
                                  "mw.listen: '[::1]:5090'\n"
                                  "realm: 01\n"
                                  "timers.expiry: 1.5 h\n"
                                  "limits: {message: 1500}\n"
                                  "media: {ports: 40000 - 40009}\n"
                                  "state: state\n"
                                  "names: [x]\n"
                                  "dns: [192.0.2.1, 192.0.2.2:5353]\n"
                                  "mw.allow: [192.0.2.0/24, '2001:db8::1']\n"
                                  "peers:\n"
                                  "  - identity: pdp.example\n"
                                  "    address: 127.0.0.30:3868\n"
                                  "    timers: {answer: 500ms}\n"
                                  "  - {identity: ocs.example, address: 127.0.0.40:3868}\n",
                                  &c);
    char text[ADDR_TEXT_MAX];
    CU_ASSERT_STRING_EQUAL(addr_ip_text(&v->gm, text), "2001:db8::1");
    CU_ASSERT_STRING_EQUAL(addr_text(&v->mw, text), "[::1]:5090");
    CU_ASSERT_EQUAL(v->sets, 7);
    CU_ASSERT_FALSE(v->require);
    CU_ASSERT_EQUAL(v->cipher, AES_GCM);
    CU_ASSERT_EQUAL(v->order.n, 2);
    CU_ASSERT_EQUAL(v->order.v[0], NULL_CIPHER);
    CU_ASSERT_EQUAL(v->order.v[1], AES_GCM);
    CU_ASSERT_STRING_EQUAL(v->realm, "01");
    CU_ASSERT_EQUAL(v->expiry, 5400000000);
    CU_ASSERT_EQUAL(v->size, 1500);
    CU_ASSERT_EQUAL(v->media.first, 40000);
    CU_ASSERT_EQUAL(v->media.last, 40009);
    CU_ASSERT_STRING_EQUAL(v->dir, "./state");
    CU_ASSERT_EQUAL(v->names.n, 1);
    CU_ASSERT_STRING_EQUAL(v->names.v[0], "x");
    CU_ASSERT_EQUAL(v->dns.n, 2);
    CU_ASSERT_EQUAL(v->dns.v[1].port, 5353);
    CU_ASSERT_EQUAL_FATAL(v->allow.n, 2);
    CU_ASSERT_EQUAL(v->allow.v[0].bits, 24);
    CU_ASSERT_EQUAL(v->allow.v[1].bits, 128);
    CU_ASSERT_EQUAL_FATAL(v->peers.n, 2);
    const struct peer *peers = v->peers.v;
    CU_ASSERT_STRING_EQUAL(peers[0].identity, "pdp.example");
    CU_ASSERT_EQUAL(peers[0].timeout, 500000);
    CU_ASSERT_STRING_EQUAL(addr_text(&peers[1].address, text), "127.0.0.40:3868");
    CU_ASSERT_EQUAL(peers[1].timeout, 2000000);
    conf_free(c);
}

static void what_is_not_given_has_its_default(void)
{
    struct conf *c;
    const struct values *v = good("gm: {address: 192.0.2.1}\ntimers:\n", &c);
    CU_ASSERT_EQUAL(v->mw.port, 5070);
    CU_ASSERT_EQUAL(v->sets, 100);
    CU_ASSERT_TRUE(v->require);
    CU_ASSERT_STRING_EQUAL(v->realm, "test.example.net");
    CU_ASSERT_EQUAL(v->expiry, 3600000000);
    CU_ASSERT_EQUAL(v->size, 65536);
    CU_ASSERT_EQUAL(v->cipher, AES_CBC);
    CU_ASSERT_STRING_EQUAL(v->dir, "/var/lib/portcullis");
    CU_ASSERT_EQUAL(v->key.n, 0);
    CU_ASSERT_EQUAL(v->names.n, 2);
    CU_ASSERT_EQUAL(v->order.v[0], AES_CBC);
    CU_ASSERT_EQUAL(v->dns.n, 0);
    CU_ASSERT_EQUAL(v->peers.n, 0);
    conf_free(c);
}

static void unknown_keys_are_refused_with_the_nearest(void)
{
    assert_report("gm:\n  adress: 192.0.2.1\n  address: 192.0.2.1\n",
                  "f:2:3: there is no option gm.adress\n    did you mean gm.address?\n");
    assert_report("gm: {address: 192.0.2.1}\ntimer:\n  expiry: 1 h\n",
                  "f:2:1: there is no option timer\n    did you mean timers?\n");
    assert_report("gm: {address: 192.0.2.1}\nzzzzzz: 1\n",
                  "f:2:1: there is no option zzzzzz\n"
                  "    remove it; --dump-options lists all options\n");
    assert_report(
        "gm: {address: 192.0.2.1}\npeers:\n- {identity: x, address: 1.1.1.1:1, adress: 2}\n",
        "f:3:37: there is no option peers[0].adress\n"
        "    did you mean peers[0].address?\n");
}

static void all_faults_are_told_with_place_and_remedy(void)
{
    assert_report("gm: {address: 300.0.2.1}\n"
                  "gm.sets: 0\n"
                  "gm.require_ipsec: perhaps\n"
                  "timers: {expiry: 30}\n"
                  "limits: {message: 2 MiB}\n"
                  "media: {ports: 5-4}\n"
                  "gm.cipher: aes-cb\n"
                  "names: x\n"
                  "gm.ciphers: [null, null]\n"
                  "realm: [a]\n"
                  "mw.listen: 127.0.0.1\n"
                  "state:\n"
                  "mw.allow: [10.0.0.1/8]\n",
                  "f:1:15: gm.address: '300.0.2.1' is not an IP address\n"
                  "    write an IP address\n"
                  "f:2:10: gm.sets: 0 is out of range\n"
                  "    it must be between 1 sets and 1000 sets\n"
                  "f:3:19: gm.require_ipsec: 'perhaps' is not true or false\n"
                  "    write true or false\n"
                  "f:4:18: timers.expiry: '30' has no unit\n"
                  "    write the unit: us, ms, s, min, h or d\n"
                  "f:5:19: limits.message: 2 MiB is out of range\n"
                  "    it must be between 1 KiB and 1 MiB\n"
                  "f:6:16: media.ports: '5-4' is not a range\n"
                  "    write the lower port first; ports begin with 1\n"
                  "f:7:12: gm.cipher: 'aes-cb' is not known\n"
                  "    did you mean aes-cbc? It is one of: null aes-cbc aes-gcm\n"
                  "f:8:8: names: this is not a list, not a list of texts\n"
                  "    write a list of texts\n"
                  "f:9:20: gm.ciphers: null is there twice\n"
                  "    name it once\n"
                  "f:10:8: realm: this is a list, not text\n"
                  "    write text\n"
                  "f:11:12: mw.listen: '127.0.0.1' has no port\n"
                  "    write it behind the address: 192.0.2.1:5060\n"
                  "f:12:7: state has no value\n"
                  "    write a value, \"\" for an empty text, or remove the line\n"
                  "f:13:12: mw.allow: '10.0.0.1/8' is neither an address nor a network\n"
                  "    write 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32; the bits behind the length "
                  "are 0\n");
}

static void what_must_be_given_is_missed(void)
{
    assert_report("", "f: gm.address is missing\n    add it: Where phones find us.\n");
    assert_report("gm: {address: 192.0.2.1}\npeers:\n  - identity: x\n",
                  "f:3:5: peers[0].address is missing\n    add it: Where it listens.\n");
}

static void all_addresses_is_no_address_to_tell_others(void)
{
    assert_report("gm: {address: '::'}\nmw.listen: 0.0.0.0:5070\n",
                  "f:1:15: gm.address: '::' stands for all addresses\n"
                  "    others are told this address: give the one they reach; `ip address` shows "
                  "those of this machine\n"
                  "f:2:12: mw.listen: '0.0.0.0:5070' stands for all addresses\n"
                  "    others are told this address: give the one they reach; `ip address` shows "
                  "those of this machine\n");
    struct conf *c;
    CU_ASSERT_EQUAL(good("gm: {address: 192.0.2.1}\nmetrics: 0.0.0.0:9090\n", &c)->metrics.port,
                    9090);
    conf_free(c);
}

static void one_key_stands_once(void)
{
    assert_report("gm: {address: 192.0.2.1}\ngm.address: 192.0.2.2\n",
                  "f:2:1: gm.address is there twice, first in line 1\n    remove one of the two\n");
}

static void broken_yaml_is_told_with_its_place(void)
{
    struct conf_report report;
    struct conf *c = NULL;
    CU_ASSERT_EQUAL(conf_parse(&schema, SPAN("gm:\n  address: [a\n"), "f", &c, &report), -EINVAL);
    CU_ASSERT_EQUAL(report.n, 1);
    CU_ASSERT_EQUAL(report.problems[0].line, 3);
    CU_ASSERT_EQUAL(conf_parse(&schema, SPAN("- a\n"), "f", &c, &report), -EINVAL);
    CU_ASSERT_EQUAL(
        conf_parse(&schema, SPAN("gm: {address: 192.0.2.1}\n---\na: b\n"), "f", &c, &report),
        -EINVAL);
    CU_ASSERT_EQUAL(conf_parse(&schema, SPAN("gm: &x [*x]\n"), "f", &c, &report), -EINVAL);
    CU_ASSERT_EQUAL(conf_parse(&schema, SPAN("gm: &x {gm: *x}\n"), "f", &c, &report), -EINVAL);
    CU_ASSERT_EQUAL(conf_parse(&schema, span_of("\xff\x00\x01", 3), "f", &c, &report), -EINVAL);
    CU_ASSERT_PTR_NULL(c);
}

static void checks_over_several_options_have_a_place_too(void)
{
    assert_report("gm:\n  address: 192.0.2.1\n  sets: 13\n",
                  "f:3:3: gm.sets: 13 is unlucky\n    take another\n");
}

static void more_problems_than_the_report_holds_are_counted(void)
{
    char yaml[1024];
    struct buf b = {yaml, 0, sizeof(yaml) - 1, false};
    for (unsigned i = 0; i < 20; i++)
        buf_fmt(&b, "unknown%u: 1\n", i);
    struct conf_report report;
    struct conf *c = NULL;
    CU_ASSERT_EQUAL(conf_parse(&schema, buf_span(&b), "f", &c, &report), -EINVAL);
    CU_ASSERT_EQUAL(report.n, CONF_PROBLEMS_MAX);
    CU_ASSERT_EQUAL(report.more, 21 - CONF_PROBLEMS_MAX); /* gm.address is missing, too */
}

static void write_file(const char *path, const char *text, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    CU_ASSERT_EQUAL(fchmod(fd, mode), 0);
    (void)close(fd);
}

static void secrets_come_from_files_that_others_cannot_read(void)
{
    char dir[TEST_FOLDER_MAX], key[64], file[64];
    test_folder(dir);
    (void)snprintf(key, sizeof(key), "%s/key", dir);
    (void)snprintf(file, sizeof(file), "%s/test.yaml", dir);
    write_file(file, "gm: {address: 192.0.2.1}\nkey_file: key\n", 0644);
    struct conf_report report;
    struct conf *c = NULL;
    CU_ASSERT_EQUAL(conf_load(&schema, file, &c, &report), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(report.problems[0].text, "No such file"));
    write_file(key, "geheim\n", 0644);
    CU_ASSERT_EQUAL(conf_load(&schema, file, &c, &report), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(report.problems[0].text, "everybody"));
    write_file(key, "geheim\n", 0640);
    CU_ASSERT_EQUAL_FATAL(conf_load(&schema, file, &c, &report), 0);
    const struct values *v = conf_values(c, 0);
    CU_ASSERT(bytes_eq_consttime(v->key.bytes, "geheim", 6) && v->key.n == 6);
    conf_free(c);
    write_file(key, "", 0600);
    CU_ASSERT_EQUAL(conf_load(&schema, file, &c, &report), -EINVAL);
    (void)unlink(key);
    (void)unlink(file);
    (void)rmdir(dir);
}

static void bytes_that_are_no_text_are_found_where_they_are(void)
{
    assert_report("gm: {address: 192.0.2.1}\nrealm: caf\xe9 de\n",
                  "f:2:12: this is not text: invalid trailing UTF-8 octet\n"
                  "    write the file as UTF-8 without control characters; `iconv -f latin1 -t "
                  "utf8` converts one\n");
}

static void names_hold_what_names_may_hold(void)
{
    assert_report("gm: {address: 192.0.2.1}\nhost: a b\n",
                  "f:2:7: host: 'a b' is not a host or domain name such as pdp.ims.example\n"
                  "    write a host or domain name such as pdp.ims.example\n");
    assert_report("gm: {address: 192.0.2.1}\nhost: \"\"\n",
                  "f:2:7: host: '' is not a host or domain name such as pdp.ims.example\n"
                  "    write a host or domain name such as pdp.ims.example\n");
}

static void where_an_option_stands_is_known(void)
{
    char text[256];
    struct buf b = BUF_ON(text);
    struct conf *c = NULL;
    struct conf_report report;
    CU_ASSERT_EQUAL_FATAL(
        conf_parse(&schema, SPAN("gm:\n  address: 192.0.2.1\n"), "f", &c, &report), 0);
    conf_put_where(c, "gm.address", &b);
    buf_putc(&b, ' ');
    conf_put_where(c, "realm", &b);
    ASSERT_SPAN_EQ(buf_span(&b), "f:2:3 f");
    conf_free(c);
}

static void a_file_that_is_not_there_is_told(void)
{
    struct conf_report report;
    struct conf *c = NULL;
    char text[1024];
    struct buf b = BUF_ON(text);
    CU_ASSERT_EQUAL(conf_load(&schema, "/nonexistent.yaml", &c, &report), -ENOENT);
    conf_report_text(&report, &b);
    ASSERT_SPAN_EQ(buf_span(&b), "/nonexistent.yaml: cannot be read: No such file or directory\n"
                                 "    make it, or name another file\n");
    CU_ASSERT_EQUAL(conf_load(&schema, "/tmp", &c, &report), -EISDIR);
    CU_ASSERT_STRING_EQUAL(report.problems[0].remedy, "name a file in it");
}

static void the_sample_file_is_a_good_file(void)
{
    char text[16384];
    struct buf b = BUF_ON(text);
    conf_put_sample(&schema, &b);
    CU_ASSERT_FALSE(b.overflow);
    struct conf_report report;
    struct conf *c = NULL;
    /* What must be given and has no sample is left open. */
    CU_ASSERT_EQUAL(conf_parse(&schema, buf_span(&b), "sample", &c, &report), -EINVAL);
    CU_ASSERT_EQUAL(report.n, 1);
    CU_ASSERT_STRING_EQUAL(report.problems[0].text, "gm.address is missing");
    struct conf_option all[ARRAY_LEN(options)];
    memcpy(all, options, sizeof(all));
    all[0].sample = "127.0.0.10";
    struct conf_table table = {all, ARRAY_LEN(all), sizeof(struct values)};
    struct conf_schema with = {"test", "a program for tests", &table, 1, check};
    b.n = 0;
    conf_put_sample(&with, &b);
    CU_ASSERT_EQUAL_FATAL(conf_parse(&with, buf_span(&b), "sample", &c, &report), 0);
    const struct values *v = conf_values(c, 0);
    CU_ASSERT_EQUAL(v->gm.ip[3], 10);
    conf_free(c);
    /* Uncommented, every default is still right. */
    struct buf open = {malloc(sizeof(text)), 0, sizeof(text), false};
    for (size_t i = 0; i < b.n; i++)
        if (!(text[i] == '#' && i + 1 < b.n && text[i + 1] != ' '))
            buf_putc(&open, text[i]);
    CU_ASSERT_EQUAL(conf_parse(&with, buf_span(&open), "sample", &c, &report), 0);
    conf_free(c);
    free(open.p);
}

static void the_sample_file_explains_each_option(void)
{
    static const struct conf_option few[] = {
        {"gm.address", CONF_ADDR, 0, NULL, "Where phones find us.", .sample = "127.0.0.10"},
        {"gm.wait", CONF_DURATION, 0, "30 s", "How long.", 1000, 60000000},
    };
    static const struct conf_table table = {few, 2, 64};
    static const struct conf_schema small = {"p", "small", &table, 1, NULL};
    char text[2048];
    struct buf b = BUF_ON(text);
    conf_put_sample(&small, &b);
    ASSERT_SPAN_EQ(buf_span(&b),
                   "# p: small\n"
                   "# Lines that are commented out show the default.\n"
                   "\n"
                   "gm:\n"
                   "  # Where phones find us.\n"
                   "  # (an IP address; must be given)\n"
                   "  address: 127.0.0.10\n"
                   "  # How long.\n"
                   "  # (a duration such as 500 ms, 30 s, 5 min, 1 h; 1 ms to 1 min)\n"
                   "  #wait: 30 s\n");
    b.n = 0;
    conf_put_options(&small, &b);
    ASSERT_SPAN_EQ(buf_span(&b),
                   "gm.address\tan IP address\tmust be given\tWhere phones find us.\n"
                   "gm.wait\ta duration such as 500 ms, 30 s, 5 min, 1 h; 1 ms to 1 min\t"
                   "default 30 s\tHow long.\n");
    b.n = 0;
    conf_put_man(&small, &b);
    ASSERT_SPAN_EQ(span_sub(buf_span(&b), 0, 102),
                   ".SH OPTIONS OF THE CONFIGURATION FILE\n.TP\n.B gm.address\nWhere phones find "
                   "us.\n(an IP address; must be ");
}

static void near_words_are_found(void)
{
    static const char *const names[] = {"address", "subscriber add", "status", "calls"};
    CU_ASSERT_PTR_EQUAL(conf_nearest(SPAN("adress"), names, 4), names[0]);
    CU_ASSERT_PTR_EQUAL(conf_nearest(SPAN("staus"), names, 4), names[2]);
    CU_ASSERT_PTR_EQUAL(conf_nearest(SPAN("sattus"), names, 4), names[2]);
    CU_ASSERT_PTR_EQUAL(conf_nearest(SPAN("call"), names, 4), names[3]);
    CU_ASSERT_PTR_NULL(conf_nearest(SPAN("xyz"), names, 4));
    CU_ASSERT_PTR_NULL(conf_nearest(SPAN(""), names, 4));
}

TEST_MAIN("common/conf/conf", {"every type is read", every_type_is_read},
          {"what is not given has its default", what_is_not_given_has_its_default},
          {"unknown keys are refused with the nearest", unknown_keys_are_refused_with_the_nearest},
          {"all faults are told with place and remedy", all_faults_are_told_with_place_and_remedy},
          {"what must be given is missed", what_must_be_given_is_missed},
          {"all addresses is no address to tell others",
           all_addresses_is_no_address_to_tell_others},
          {"one key stands once", one_key_stands_once},
          {"broken YAML is told with its place", broken_yaml_is_told_with_its_place},
          {"checks over several options have a place, too",
           checks_over_several_options_have_a_place_too},
          {"more problems than the report holds are counted",
           more_problems_than_the_report_holds_are_counted},
          {"secrets come from files that others cannot read",
           secrets_come_from_files_that_others_cannot_read},
          {"bytes that are no text are found where they are",
           bytes_that_are_no_text_are_found_where_they_are},
          {"names hold what names may hold", names_hold_what_names_may_hold},
          {"where an option stands is known", where_an_option_stands_is_known},
          {"a file that is not there is told", a_file_that_is_not_there_is_told},
          {"the sample file is a good file", the_sample_file_is_a_good_file},
          {"the sample file explains each option", the_sample_file_explains_each_option},
          {"near words are found", near_words_are_found})
