/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The worker's hand on libcharon. Its headers redefine much (min, TRUE, streq ...) and want
 * config.h: nothing else of the project includes them. */
#include <library.h>

#include <daemon.h>

#include <collections/linked_list.h>
#include <errno.h>

#include "pcscf/ipsec/charon/inner.h"

#define NAME "portcullis"

/* libcharon reports why only in its log; the first line since the call began is the kernel's. */
static char reason[IPSEC_REASON_MAX];

static void keep_reason(const char *text)
{
    size_t n = strlen(text);

    if (reason[0])
        return;
    if (n >= sizeof(reason))
        n = sizeof(reason) - 1;
    memcpy(reason, text, n);
    reason[n] = '\0';
}

static void on_dbg(debug_t group, level_t level, char *fmt, ...)
{
    char text[IPSEC_REASON_MAX];
    va_list ap;

    (void)group;
    if (level > 1)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    keep_reason(text);
}

static void on_bus(logger_t *self, debug_t group, level_t level, int thread, ike_sa_t *ike_sa,
                   const char *message)
{
    (void)self;
    (void)group;
    (void)level;
    (void)thread;
    (void)ike_sa;
    keep_reason(message);
}

static level_t bus_level(logger_t *self, debug_t group)
{
    (void)self;
    (void)group;
    return 1;
}

static logger_t logger = {.log = on_bus, .get_level = bus_level};

const char *charon_kernel_reason(void)
{
    return reason;
}

int charon_kernel_open(void)
{
    settings_t *s;

    reason[0] = '\0';
    dbg = on_dbg;
    if (!library_init("", NAME)) { /* "": no configuration file */
        keep_reason("libstrongswan does not start");
        return -EIO;
    }
    s = lib->settings;
    s->set_int(s, NAME ".routing_table", 0); /* no `ip rule` of its own */
    s->set_bool(s, NAME ".install_routes", FALSE);
    s->set_bool(s, NAME ".install_virtual_ip", FALSE);
    s->set_bool(s, NAME ".process_route", FALSE);
    /* The job that follows such an event wants an IKE manager, which is not there. */
    s->set_bool(s, NAME ".plugins.kernel-netlink.roam_events", FALSE);
    /* Ports on the SAs: the kernel refuses a packet that came over the wrong one. */
    s->set_bool(s, NAME ".plugins.kernel-netlink.set_proto_port_transport_sa", TRUE);
    s->set_int(s, NAME ".plugins.kernel-netlink.xfrm_acq_expires", 30); /* the kernel's default */
    if (!libcharon_init()) {
        keep_reason("libcharon does not start");
        return -EIO;
    }
    charon->bus->add_logger(charon->bus, &logger);
    /* Not charon->initialize(), which wants IKE. No thread is started: adding, deleting and asking
     * need none, and expiries are heard by xfrm.c. */
    if (!lib->plugins->load(lib->plugins, "kernel-netlink")) {
        keep_reason("strongSwan's kernel-netlink plugin does not load");
        return -EIO;
    }
    reason[0] = '\0';
    return 0;
}

static host_t *host_of(const struct addr *a)
{
    return host_create_from_chunk(a->family, chunk_create((u_char *)a->ip, addr_ip_len(a)), 0);
}

static traffic_selector_t *selector_of(const struct addr *a, uint16_t port)
{
    /* Protocol 0 with a port: UDP and TCP alike. The host is consumed. */
    return traffic_selector_create_from_subnet(host_of(a), (uint8_t)(addr_ip_len(a) * 8), 0, port,
                                               port);
}

static void algorithms_of(const struct ipsec_set *set, kernel_ipsec_add_sa_t *sa)
{
    struct ipsec_keys *k = (struct ipsec_keys *)&set->keys;
    chunk_t integrity = chunk_create(k->integrity, k->integrity_n);
    chunk_t encryption = chunk_create(k->encryption, k->encryption_n);

    sa->enc_alg = ENCR_UNDEFINED; /* not 0 */
    sa->int_alg = AUTH_UNDEFINED;
    switch (set->pair.ealg) {
    case IPSEC_EALG_AES_CBC:
        sa->enc_alg = ENCR_AES_CBC;
        break;
    case IPSEC_EALG_AES_GCM:
        sa->enc_alg = ENCR_AES_GCM_ICV16;
        break;
    case IPSEC_EALG_DES_EDE3_CBC:
        sa->enc_alg = ENCR_3DES;
        break;
    default:
        sa->enc_alg = ENCR_NULL;
        break;
    }
    sa->enc_key = encryption;
    switch (set->pair.alg) {
    case IPSEC_ALG_HMAC_SHA_1_96:
        sa->int_alg = AUTH_HMAC_SHA1_96;
        sa->int_key = integrity;
        break;
    case IPSEC_ALG_HMAC_MD5_96:
        sa->int_alg = AUTH_HMAC_MD5_96;
        sa->int_key = integrity;
        break;
    case IPSEC_ALG_AES_GMAC: /* one combined transform, in the place of encryption */
        sa->enc_alg = ENCR_NULL_AUTH_AES_GMAC;
        sa->enc_key = integrity;
        break;
    default: /* aes-gcm protects both */
        break;
    }
}

struct sa_name {
    host_t *from, *to;
    kernel_ipsec_sa_id_t id;
};

static struct sa_name name_of(const struct charon_sa *sa)
{
    struct sa_name n = {host_of(sa->from), host_of(sa->to)};

    n.id = (kernel_ipsec_sa_id_t){
        .src = n.from, .dst = n.to, .spi = htonl(sa->spi), .proto = IPPROTO_ESP};
    return n;
}

static void name_free(struct sa_name *n)
{
    n->from->destroy(n->from);
    n->to->destroy(n->to);
}

int charon_kernel_count(const struct ipsec_set *set, enum ipsec_sa which, uint64_t *ret_packets,
                        uint64_t *ret_bytes)
{
    struct charon_sa sa = charon_sa_of(set, which);
    struct sa_name n = name_of(&sa);
    kernel_ipsec_query_sa_t query = {0};
    uint64_t bytes, packets;
    time_t unused; /* of the first packet, not the last */
    status_t status;

    reason[0] = '\0';
    status = charon->kernel->query_sa(charon->kernel, &n.id, &query, &bytes, &packets, &unused);
    name_free(&n);
    if (status != SUCCESS)
        return -ENOENT;
    *ret_packets = packets;
    *ret_bytes = bytes;
    return 0;
}

int charon_kernel_add(const struct ipsec_set *set, enum ipsec_sa which, uint32_t reqid)
{
    struct charon_sa sa = charon_sa_of(set, which);
    struct sa_name n = name_of(&sa);
    linked_list_t *from = linked_list_create_with_items(selector_of(sa.from, sa.from_port), NULL);
    linked_list_t *to = linked_list_create_with_items(selector_of(sa.to, sa.to_port), NULL);
    lifetime_cfg_t lifetime = {.time = {.life = set->lifetime}};
    kernel_ipsec_add_sa_t add = {
        .reqid = reqid,
        .mode = MODE_TRANSPORT,
        .src_ts = from,
        .dst_ts = to,
        .lifetime = &lifetime,
        .replay_window = 32,
        .inbound = sa.in,
        .copy_df = TRUE,
        .copy_ecn = TRUE,
    };
    uint64_t packets, bytes;
    char why[sizeof(reason)];
    status_t status;

    reason[0] = '\0';
    algorithms_of(set, &add);
    status = charon->kernel->add_sa(charon->kernel, &n.id, &add);
    from->destroy_offset(from, offsetof(traffic_selector_t, destroy));
    to->destroy_offset(to, offsetof(traffic_selector_t, destroy));
    name_free(&n);
    if (status == SUCCESS)
        return 0;
    /* The kernel's EEXIST comes as a plain failure. */
    memcpy(why, reason, sizeof(why));
    if (charon_kernel_count(set, which, &packets, &bytes) == 0) {
        memcpy(reason, why, sizeof(why));
        return -EEXIST;
    }
    memcpy(reason, why, sizeof(why));
    return -EIO;
}

int charon_kernel_del(const struct ipsec_set *set, enum ipsec_sa which)
{
    struct charon_sa sa = charon_sa_of(set, which);
    struct sa_name n = name_of(&sa);
    kernel_ipsec_del_sa_t del = {0};
    status_t status;

    reason[0] = '\0';
    status = charon->kernel->del_sa(charon->kernel, &n.id, &del);
    name_free(&n);
    return status == SUCCESS ? 0 : status == NOT_FOUND ? -ENOENT : -EIO;
}

int charon_kernel_protect(const struct addr *port, uint32_t reqid)
{
    host_t *local = host_of(port);
    host_t *any = host_create_any(port->family);
    traffic_selector_t *ours = selector_of(port, port->port);
    traffic_selector_t *theirs =
        traffic_selector_create_from_subnet(host_create_any(port->family), 0, 0, 0, 65535);
    ipsec_sa_cfg_t cfg = {
        .mode = MODE_TRANSPORT, .reqid = reqid, .policy_count = 1, .esp = {.use = TRUE}};
    status_t status = SUCCESS;

    reason[0] = '\0';
    for (policy_dir_t dir = POLICY_IN; dir <= POLICY_OUT && status == SUCCESS; dir++) {
        bool in = dir == POLICY_IN;
        kernel_ipsec_policy_id_t id = {
            .dir = dir, .src_ts = in ? theirs : ours, .dst_ts = in ? ours : theirs};
        kernel_ipsec_manage_policy_t policy = {
            .type = POLICY_IPSEC,
            .prio = POLICY_PRIORITY_DEFAULT,
            .src = in ? any : local,
            .dst = in ? local : any,
            .sa = &cfg,
        };

        status = charon->kernel->add_policy(charon->kernel, &id, &policy);
    }
    ours->destroy(ours);
    theirs->destroy(theirs);
    any->destroy(any);
    local->destroy(local);
    return status == SUCCESS ? 0 : -EIO;
}
