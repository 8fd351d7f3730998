/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libfdcore's dictionary, from the table of common/diameter/inner.h. Rules are few on purpose: our
 * decoder judges what a message must hold, and answers what the application's specification says. */
#include <errno.h>
#include <freeDiameter/freeDiameter-host.h>
#include <freeDiameter/libfdcore.h>
#include <freeDiameter/libfdproto.h>
#include <stdbool.h>

#include "common/diameter/node/node.h"

static const struct {
    uint32_t id, vendor;
    const char *name;
} apps[] = {
    {DIAMETER_APP_RX, DIAMETER_VENDOR_3GPP, "3GPP Rx"},
    {DIAMETER_APP_QOS, 0, "Diameter QoS"},
};

static const struct {
    uint32_t code;
    const char *request, *answer;
} commands[] = {
    {265, "AA-Request", "AA-Answer"},
    {326, "QoS-Authorization-Request", "QoS-Authorization-Answer"},
};

static enum dict_avp_basetype base_of(enum avp_type type)
{
    switch (type) {
    case AVP_GROUP:
        return AVP_TYPE_GROUPED;
    case AVP_U32:
        return AVP_TYPE_UNSIGNED32;
    case AVP_I32:
    case AVP_ENUM:
        return AVP_TYPE_INTEGER32;
    case AVP_U64:
        return AVP_TYPE_UNSIGNED64;
    case AVP_F32:
        return AVP_TYPE_FLOAT32;
    default:
        return AVP_TYPE_OCTETSTRING;
    }
}

static int load_avps(struct dictionary *dict)
{
    for (size_t i = 0; i < AVP_COUNT; i++) {
        const struct avp_def *def = &avp_defs[i];
        struct dict_avp_request what = {.avp_vendor = def->vendor, .avp_code = def->code};
        struct dict_avp_data data = {
            .avp_code = def->code,
            .avp_vendor = def->vendor,
            .avp_name = (char *)(uintptr_t)def->name,
            .avp_flag_mask = AVP_FLAG_VENDOR, /* a wrong M bit is no reason to refuse a call */
            .avp_flag_val = def->vendor ? AVP_FLAG_VENDOR : 0,
            .avp_basetype = base_of(def->type)};
        struct dict_object *there = NULL;
        int rc = fd_dict_search(dict, DICT_AVP, AVP_BY_CODE_AND_VENDOR, &what, &there, 0);

        if (rc == 0 && !there)
            rc = fd_dict_new(dict, DICT_AVP, &data, NULL, NULL);
        if (rc)
            return -rc;
    }
    return 0;
}

static int session_first(struct dictionary *dict, struct dict_object *cmd)
{
    struct dict_rule_data rule = {
        .rule_position = RULE_FIXED_HEAD, .rule_order = 1, .rule_min = -1, .rule_max = 1};
    int rc = fd_dict_search(dict, DICT_AVP, AVP_BY_NAME, "Session-Id", &rule.rule_avp, ENOENT);

    return rc ? rc : fd_dict_new(dict, DICT_RULE, &rule, cmd, NULL);
}

static int load_commands(struct dictionary *dict)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(commands); i++) {
        struct dict_cmd_data q = {.cmd_code = commands[i].code,
                                  .cmd_name = (char *)(uintptr_t)commands[i].request,
                                  .cmd_flag_mask =
                                      CMD_FLAG_REQUEST | CMD_FLAG_PROXIABLE | CMD_FLAG_ERROR,
                                  .cmd_flag_val = CMD_FLAG_REQUEST | CMD_FLAG_PROXIABLE};
        struct dict_cmd_data a = {.cmd_code = commands[i].code,
                                  .cmd_name = (char *)(uintptr_t)commands[i].answer,
                                  .cmd_flag_mask = CMD_FLAG_REQUEST | CMD_FLAG_PROXIABLE,
                                  .cmd_flag_val = CMD_FLAG_PROXIABLE};
        struct dict_object *cmd = NULL;

        rc = fd_dict_new(dict, DICT_COMMAND, &q, NULL, &cmd);
        if (rc == 0)
            rc = session_first(dict, cmd);
        if (rc == 0)
            rc = fd_dict_new(dict, DICT_COMMAND, &a, NULL, &cmd);
        if (rc == 0)
            rc = session_first(dict, cmd);
    }
    return -rc;
}

static bool wanted(const struct node_conf *conf, uint32_t app)
{
    for (size_t i = 0; i < conf->n_apps; i++) {
        if (conf->apps[i] == app)
            return true;
    }
    return false;
}

static int load_apps(struct dictionary *dict, const struct node_conf *conf)
{
    vendor_id_t id = DIAMETER_VENDOR_3GPP;
    struct dict_object *vendor = NULL, *app;
    struct dict_vendor_data v = {DIAMETER_VENDOR_3GPP, (char *)(uintptr_t) "3GPP"};
    int rc = fd_dict_search(dict, DICT_VENDOR, VENDOR_BY_ID, &id, &vendor, 0);

    if (rc == 0 && !vendor)
        rc = fd_dict_new(dict, DICT_VENDOR, &v, NULL, &vendor);
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(apps); i++) {
        struct dict_application_data data = {apps[i].id, (char *)(uintptr_t)apps[i].name};
        struct dict_object *of = apps[i].vendor ? vendor : NULL;

        rc = fd_dict_new(dict, DICT_APPLICATION, &data, of, &app);
        if (rc == 0 && wanted(conf, apps[i].id))
            rc = fd_disp_app_support(app, of, 1, 0);
    }
    return -rc;
}

int node_dict_load(const struct node_conf *conf)
{
    struct dictionary *dict = fd_g_config->cnf_dict;
    int rc = load_apps(dict, conf);

    if (rc == 0)
        rc = load_avps(dict);
    return rc ? rc : load_commands(dict);
}
