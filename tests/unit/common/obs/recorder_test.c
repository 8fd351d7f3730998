/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/obs/obs.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/support/suite.h"

static uint64_t seed = 1;

static struct obs_recorder *recorder(struct obs_recorder_options o)
{
    struct rnd rnd = rnd_seeded(&seed);
    struct obs_recorder *r = NULL;
    CU_ASSERT_EQUAL_FATAL(obs_recorder_new(&o, &rnd, &r), 0);
    return r;
}

static void say(struct obs_recorder *r, const char *call, const char *from, const char *to,
                const char *text)
{
    obs_record(r, &(struct obs_message){.wall = 5,
                                        .call = span_str(call),
                                        .from = span_str(from),
                                        .to = span_str(to),
                                        .transport = "udp",
                                        .guarded = true,
                                        .text = span_str(text)});
}

static char *ladder(const struct obs_recorder *r, const char *name, bool whole)
{
    json_t *value = obs_recorder_ladder(r, span_str(name), whole);
    char *text = value ? json_dumps(value, JSON_COMPACT) : strdup("none");
    json_decref(value);
    return text;
}

static void assert_ladder(const struct obs_recorder *r, const char *name, bool whole,
                          const char *want)
{
    char *text = ladder(r, name, whole);
    CU_ASSERT_STRING_EQUAL(text, want);
    if (strcmp(text, want) != 0)
        printf("\n got  %s\n want %s\n", text, want);
    free(text);
}

static void a_ladder_has_parties_and_first_lines(void)
{
    struct obs_recorder *r = recorder((struct obs_recorder_options){0});
    say(r, "call-1", "phone", "pcscf", "INVITE sip:b SIP/2.0\r\nVia: x\r\n\r\n");
    say(r, "call-1", "pcscf", "scscf", "INVITE sip:b SIP/2.0\r\n");
    obs_recorder_name(r, SPAN("call-1"), SPAN("icid-1"));
    assert_ladder(
        r, "icid-1", false,
        "{\"call\":\"call-1\",\"names\":[\"icid-1\"],\"parties\":[\"phone\",\"pcscf\",\"scscf\"],"
        "\"left_out\":0,\"events\":[{\"time\":5,\"from\":0,\"to\":1,\"transport\":\"udp\","
        "\"guarded\":true,\"text\":\"INVITE sip:b SIP/2.0\"},{\"time\":5,\"from\":1,\"to\":2,"
        "\"transport\":\"udp\",\"guarded\":true,\"text\":\"INVITE sip:b SIP/2.0\"}]}");
    assert_ladder(r, "icid-2", false, "none");
    /* Messages may come under any of the names. */
    say(r, "icid-1", "pcscf", "pdp", "AAR");
    json_t *value = obs_recorder_ladder(r, SPAN("call-1"), false);
    CU_ASSERT_EQUAL(json_array_size(json_object_get(value, "events")), 3);
    json_decref(value);
    obs_recorder_free(r);
}

static void an_identity_belongs_to_the_latest_call(void)
{
    struct obs_recorder *r = recorder((struct obs_recorder_options){.calls = 2});
    const char *calls[] = {"one", "two", "three"};
    for (unsigned i = 0; i < 3; i++) {
        say(r, calls[i], "a", "b", calls[i]);
        obs_recorder_name(r, span_str(calls[i]), SPAN("sip:alice@example"));
        json_t *value = obs_recorder_ladder(r, SPAN("sip:alice@example"), false);
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(value, "call")), calls[i]);
        json_decref(value);
    }
    assert_ladder(r, "one", false, "none"); /* two calls are kept */
    json_t *latest = obs_recorder_ladder(r, SPAN_NONE, false);
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(latest, "call")), "three");
    json_decref(latest);
    obs_recorder_free(r);
}

static void of_a_long_call_the_middle_is_left_out(void)
{
    for (unsigned bound = 1; bound < 6; bound++) {
        struct obs_recorder *r = recorder((struct obs_recorder_options){.messages = bound});
        char text[8];
        for (unsigned i = 0; i < 20; i++) {
            (void)snprintf(text, sizeof(text), "%u", i);
            say(r, "c", "a", "b", text);
        }
        json_t *value = obs_recorder_ladder(r, SPAN("c"), false);
        json_t *events = json_object_get(value, "events");
        CU_ASSERT_EQUAL(json_array_size(events), bound);
        CU_ASSERT_EQUAL(json_integer_value(json_object_get(value, "left_out")), 20 - bound);
        for (unsigned i = 0; i < bound; i++) {
            (void)snprintf(text, sizeof(text), "%u", i < bound / 2 ? i : 20 - bound + i);
            CU_ASSERT_STRING_EQUAL(
                json_string_value(json_object_get(json_array_get(events, i), "text")), text);
        }
        json_decref(value);
        obs_recorder_free(r);
    }
}

static void the_memory_is_bounded(void)
{
    struct obs_recorder *r = recorder((struct obs_recorder_options){.bytes = 8192});
    char call[16], text[1000];
    memset(text, 'x', sizeof(text));
    for (unsigned i = 0; i < 100; i++) {
        (void)snprintf(call, sizeof(call), "call-%u", i);
        obs_record(r, &(struct obs_message){.call = span_str(call),
                                            .from = SPAN("a"),
                                            .to = SPAN("b"),
                                            .text = span_of(text, sizeof(text))});
    }
    unsigned kept = 0;
    for (unsigned i = 0; i < 100; i++) {
        (void)snprintf(call, sizeof(call), "call-%u", i);
        json_t *value = obs_recorder_ladder(r, span_str(call), false);
        kept += value != NULL;
        json_decref(value);
    }
    CU_ASSERT(kept >= 4 && kept <= 8);
    obs_recorder_free(r);
}

static void keys_responses_and_tokens_are_masked(void)
{
    static const struct {
        const char *text, *kept;
    } rows[] = {
        {"a ck=\"00ff\",ik=\"11\"", "a ck=\"xxxx\",ik=\"xx\""},
        {"a CK = 00ff, Ik=\t11;z=1", "a CK = xxxx, Ik=\txx;z=1"},
        {"x\r\nik=\"unfinished", "x\r\nik=\"xxxxxxxxxx"},
        {"Digest response=\"abc\", nonce=\"n\"", "Digest response=\"xxx\", nonce=\"n\""},
        {"A: b\r\nP-Media-Authorization: 00a1,\r\n b2\r\nTo: c",
         "A: b\r\nP-Media-Authorization: xxxxx\r\n xx\r\nTo: c"},
        {"a=crypto:1 AES inline:abc/d+=|2^20\r\nk=clear:pw\r\n",
         "a=crypto:1 AES inline:xxxxxxx|2^20\r\nk=xxxxxxxx\r\n"},
        {"tick=1;trick=2;track: ck;lick-ck=3", "tick=1;trick=2;track: ck;lick-ck=3"},
    };
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct obs_recorder *r = recorder((struct obs_recorder_options){0});
        say(r, "c", "a", "b", rows[i].text);
        json_t *value = obs_recorder_ladder(r, SPAN("c"), true);
        const char *got = json_string_value(
            json_object_get(json_array_get(json_object_get(value, "events"), 0), "message"));
        CU_ASSERT_STRING_EQUAL(got, rows[i].kept);
        if (strcmp(got, rows[i].kept) != 0)
            printf("\n got  %s\n want %s\n", got, rows[i].kept);
        json_decref(value);
        obs_recorder_free(r);
    }
}

static void a_message_may_hold_any_octets(void)
{
    struct obs_recorder *r = recorder((struct obs_recorder_options){0});
    static const char noise[] = "\xff\x00\x80 noise\xc3\xa4";
    obs_record(r, &(struct obs_message){.call = SPAN("\xff"),
                                        .from = SPAN("\xfe"),
                                        .to = SPAN(""),
                                        .text = span_of(noise, sizeof(noise) - 1)});
    json_t *value = obs_recorder_ladder(r, SPAN("\xff"), true);
    CU_ASSERT_PTR_NOT_NULL(value);
    json_decref(value);
    obs_recorder_free(r);
}

TEST_MAIN("common/obs/recorder",
          {"a ladder has parties and first lines", a_ladder_has_parties_and_first_lines},
          {"an identity belongs to the latest call", an_identity_belongs_to_the_latest_call},
          {"of a long call the middle is left out", of_a_long_call_the_middle_is_left_out},
          {"the memory is bounded", the_memory_is_bounded},
          {"keys, responses and tokens are masked", keys_responses_and_tokens_are_masked},
          {"a message may hold any octets", a_message_may_hold_any_octets})
