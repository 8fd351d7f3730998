/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The policy file. */
#include "pdp/policy/policy.h"

static const char *const media_names[] = {"audio", "video",   "data",  "application", "control",
                                          "text",  "message", "other", NULL};

const char *policy_media_name(unsigned media)
{
    return media_names[media < POLICY_MEDIA ? media : POLICY_MEDIA - 1];
}

#define AT(member) offsetof(struct policy_exception, member)
static const struct conf_option exception_options[] = {
    {"identity", CONF_STRING, AT(identity), .help = "Public identity, as the P-CSCF tells it.",
     .sample = "sip:alice@ims.mnc001.mcc001.3gppnetwork.org"},
    {"barred", CONF_BOOL, AT(barred), .fallback = "false", .help = "No media at all."},
    {"media", CONF_ENUMS, AT(media), .fallback = "[]", .names = media_names,
     .help = "Media types instead of the general ones; [] = the general ones."},
    {"session", CONF_INT, AT(session_kbps), .fallback = "0", .min = 0, .max = 10000000,
     .unit = "kbit/s", .help = "Bandwidth of a session instead of the general one; 0 = that."},
};
#undef AT

#define AT(member) offsetof(struct policy_rules, member)
static const struct conf_option options[] = {
    {"media", CONF_ENUMS, AT(media), .fallback = "[audio, video, text, message]",
     .names = media_names, .help = "Media types that a call may use (the m= lines of its SDP)."},
    {"components", CONF_INT, AT(components), .fallback = "8", .min = 1, .max = RX_COMPONENTS_MAX,
     .unit = "m= lines", .help = "Most m= lines of a session."},
    {"bandwidth.audio", CONF_INT, AT(audio_kbps), .fallback = "128", .min = 1, .max = 10000000,
     .unit = "kbit/s",
     .help = "Most that one audio component may use in each direction, with IP, UDP and RTP "
             "headers; what it gets when it does not say."},
    {"bandwidth.video", CONF_INT, AT(video_kbps), .fallback = "4096", .min = 1, .max = 10000000,
     .unit = "kbit/s", .help = "The same of a video component."},
    {"bandwidth.other", CONF_INT, AT(other_kbps), .fallback = "256", .min = 1, .max = 10000000,
     .unit = "kbit/s", .help = "The same of any other."},
    {"bandwidth.session", CONF_INT, AT(session_kbps), .fallback = "8192", .min = 1, .max = 10000000,
     .unit = "kbit/s", .help = "Most of all components together, a direction."},
    {"codecs.audio", CONF_STRINGS, AT(audio_codecs), .fallback = "[]",
     .help = "Codecs allowed for audio, as rtpmap names them; [] = all. An offer needs one of "
             "them, an answer must use no other. telephone-event and CN are always allowed. For "
             "example [AMR, AMR-WB, EVS, PCMA, PCMU]."},
    {"codecs.video", CONF_STRINGS, AT(video_codecs), .fallback = "[]",
     .help = "The same for video, for example [H264, H265]."},
    {"check_phone", CONF_BOOL, AT(check_phone), .fallback = "true",
     .help = "Refuse flows whose near end is not the address that the phone signals from."},
    {"emergency", CONF_BOOL, AT(emergency), .fallback = "true",
     .help = "Grant emergency calls (Service-URN sos) whatever this file says."},
    {"subscribers", CONF_LIST, AT(subscribers), .fallback = "[]",
     .help = "Exceptions for single subscribers.", .items = exception_options,
     .n_items = ARRAY_LEN(exception_options), .item_size = sizeof(struct policy_exception),
     .min = 0, .max = 100000},
};
#undef AT

static const struct conf_table table = {options, ARRAY_LEN(options), sizeof(struct policy_rules)};

const struct conf_schema policy_schema = {.program = "pdp policy",
                                          .summary = "what media calls may use",
                                          .heading = "OPTIONS OF THE POLICY FILE",
                                          .tables = &table,
                                          .n_tables = 1,
                                          .listing = "the sample policy.yaml shows all options"};
