/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CPU time of recording the messages of calls, with the recorder full: each call takes the place of
 * the oldest. */
#include <stdio.h>

#include "common/obs/obs.h"
#include "tests/support/bench.h"

enum { CALLS = 20000, KEPT = 1000, MESSAGES = 13 };

static const char head[] =
    "INVITE sip:bob@ims.mnc001.mcc001.3gppnetwork.org SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 192.0.2.11:5070;branch=z9hG4bKcbsx3u2w5k4f0kq2;rport\r\n"
    "Via: SIP/2.0/UDP 192.0.2.101:5060;branch=z9hG4bK-7123-1-0;rport=5060\r\n"
    "Record-Route: <sip:mo@192.0.2.11:5070;lr>,<sip:mo@192.0.2.10:5062;lr>\r\n"
    "From: <sip:alice@ims.mnc001.mcc001.3gppnetwork.org>;tag=7123c1\r\n"
    "To: <sip:bob@ims.mnc001.mcc001.3gppnetwork.org>\r\n"
    "CSeq: 1 INVITE\r\n"
    "Max-Forwards: 69\r\n"
    "Contact: "
    "<sip:alice@192.0.2.101:5060>;+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service.ims.icsi."
    "mmtel\"\r\n"
    "P-Asserted-Identity: <sip:alice@ims.mnc001.mcc001.3gppnetwork.org>\r\n"
    "P-Access-Network-Info: 3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=001010001000019B\r\n"
    "Allow: INVITE,ACK,OPTIONS,BYE,CANCEL,UPDATE,INFO,PRACK,NOTIFY,MESSAGE,REFER\r\n"
    "Supported: 100rel,timer,replaces\r\n"
    "Content-Type: application/sdp\r\n";
static const char body[] =
    "v=0\r\no=- 4711 1 IN IP4 192.0.2.101\r\ns=-\r\nc=IN IP4 192.0.2.101\r\nt=0 0\r\n"
    "m=audio 49152 RTP/AVP 104 102 105\r\nb=AS:41\r\na=rtpmap:104 AMR-WB/16000/1\r\n"
    "a=fmtp:104 mode-change-capability=2;max-red=0\r\na=rtpmap:105 telephone-event/16000\r\n"
    "a=ptime:20\r\na=maxptime:240\r\na=sendrecv\r\n";

int main(void)
{
    const struct obs_recorder_options o = {.calls = KEPT};
    struct obs_recorder *r;
    uint64_t since = 0;

    if (obs_recorder_new(&o, &rnd_system, &r) != 0)
        return 1;
    for (unsigned i = 0; i < CALLS + KEPT; i++) {
        char call[32], text[2048];
        if (i == KEPT)
            since = bench_cpu_ns();
        (void)snprintf(call, sizeof(call), "%u@192.0.2.101", i);
        for (unsigned k = 0; k < MESSAGES; k++) {
            struct buf b = BUF_ON(text);
            buf_puts(&b, head);
            if (k % 3 == 0) /* messages of a call are of all sizes */
                buf_puts(&b, body);
            else
                buf_put(&b, span_sub(span_str(body), 0, 17 * k));
            const struct obs_message m = {.call = span_str(call),
                                          .from = SPAN("192.0.2.101:5060"),
                                          .to = SPAN("pcscf"),
                                          .transport = "udp",
                                          .text = buf_span(&b)};
            obs_record(r, &m);
        }
    }
    bench_report("message recorded", since, (uint64_t)CALLS * MESSAGES);
    obs_recorder_free(r);
    return 0;
}
