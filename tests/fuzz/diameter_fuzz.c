/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any octets as a Diameter message: what the walker lets through is read without a crash, what was
 * read and written again reads the same, and the policy decides about every AAR. */
#include <stdlib.h>

#include "common/diameter/inner.h"
#include "pdp/policy/policy.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct conf *conf;
static struct policy *policy;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const char rules[] = "codecs: { audio: [AMR, PCMU], video: [H264] }\n"
                                "bandwidth: { session: 500 }\n";
    static struct conf_report report;

    (void)argc, (void)argv;
    if (conf_parse(&policy_schema, span_str(rules), "policy.yaml", &conf, &report) != 0 ||
        policy_new(conf_values(conf, 0), &rnd_system, &policy) != 0)
        abort();
    return 0;
}

static const struct diameter_names names = {{"a.b", 3}, {"b", 1}};

static void decide(const struct diameter_request *req)
{
    static struct policy_decision d;

    if (req->kind != DIAMETER_AA)
        return;
    policy_decide(policy, &req->aar, &d);
    if ((d.result == DIAMETER_SUCCESS) == (d.experimental != 0) ||
        (d.result != DIAMETER_SUCCESS && d.n_flows))
        abort();
    for (size_t i = 0; i < d.n_flows; i++) {
        struct diameter_flow again;
        char text[DIAMETER_FLOW_TEXT_MAX];
        struct buf b = BUF_ON(text);

        diameter_flow_put(&b, &d.flows[i].what);
        if (b.overflow || diameter_flow_parse(buf_span(&b), &again) != 0 ||
            !diameter_flow_covers(&again, &d.flows[i].what) ||
            !diameter_flow_covers(&d.flows[i].what, &again))
            abort();
    }
}

static void request(struct span message)
{
    static struct diameter_request req, again;
    static uint8_t octets[DIAMETER_MESSAGE_MAX];
    struct diameter_fault fault = {0};
    size_t n = 0;

    if (diameter_decode_request(message, &req, &fault) != 0) {
        if (!fault.result || !fault.why)
            abort();
        return;
    }
    decide(&req);
    if (diameter_encode_request(&req, &names, octets, sizeof(octets), &n) != 0)
        return; /* an order of AVPs that takes more room */
    if (diameter_raw_check(span_of(octets, n)) != NULL ||
        diameter_decode_request(span_of(octets, n), &again, &fault) != 0 ||
        !span_eq(req.session_id, again.session_id) ||
        (req.kind == DIAMETER_AA && req.aar.n_components != again.aar.n_components) ||
        (req.kind == DIAMETER_QA && req.qar.n_filters != again.qar.n_filters))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct diameter_answer ans;
    struct span message = span_of(data, size), echo;

    if (diameter_raw_check(message))
        return 0;
    if (diameter_head_of(message).request)
        request(message);
    else
        (void)diameter_decode_answer(message, &ans); /* any outcome is fine */
    echo = diameter_echo_copy(message);
    free((void *)(uintptr_t)echo.p);
    return 0;
}
