/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The headers this project knows by number: X(id, name, compact form or 0, what a comma in it is).
 * LIST: the line holds values separated by commas (RFC 3261 7.3.1); ONE: commas belong to the value
 * (dates, identities, authentication parameters). ONCE: a second line makes the message malformed.
 * Adding a header is a line here; names of the same length are tried in this order. */
#ifndef COMMON_SIP_HEADER_IDS_H
#define COMMON_SIP_HEADER_IDS_H

/* clang-format off */
#define SIP_HEADERS(X) \
    X(VIA, "Via", 'v', LIST) \
    X(FROM, "From", 'f', ONCE) \
    X(TO, "To", 't', ONCE) \
    X(CALL_ID, "Call-ID", 'i', ONCE) \
    X(CSEQ, "CSeq", 0, ONCE) \
    X(CONTACT, "Contact", 'm', LIST) \
    X(MAX_FORWARDS, "Max-Forwards", 0, ONCE) \
    X(ROUTE, "Route", 0, LIST) \
    X(RECORD_ROUTE, "Record-Route", 0, LIST) \
    X(PATH, "Path", 0, LIST) \
    X(SERVICE_ROUTE, "Service-Route", 0, LIST) \
    X(CONTENT_LENGTH, "Content-Length", 'l', ONCE) \
    X(CONTENT_TYPE, "Content-Type", 'c', ONCE) \
    X(EXPIRES, "Expires", 0, ONE) \
    X(MIN_EXPIRES, "Min-Expires", 0, ONE) \
    X(REQUIRE, "Require", 0, LIST) \
    X(PROXY_REQUIRE, "Proxy-Require", 0, LIST) \
    X(SUPPORTED, "Supported", 'k', LIST) \
    X(UNSUPPORTED, "Unsupported", 0, LIST) \
    X(ALLOW, "Allow", 0, LIST) \
    X(AUTHORIZATION, "Authorization", 0, ONE) \
    X(WWW_AUTHENTICATE, "WWW-Authenticate", 0, ONE) \
    X(PROXY_AUTHORIZATION, "Proxy-Authorization", 0, ONE) \
    X(PROXY_AUTHENTICATE, "Proxy-Authenticate", 0, ONE) \
    X(AUTHENTICATION_INFO, "Authentication-Info", 0, ONE) \
    X(SECURITY_CLIENT, "Security-Client", 0, LIST) \
    X(SECURITY_SERVER, "Security-Server", 0, LIST) \
    X(SECURITY_VERIFY, "Security-Verify", 0, LIST) \
    X(P_PREFERRED_IDENTITY, "P-Preferred-Identity", 0, LIST) \
    X(P_ASSERTED_IDENTITY, "P-Asserted-Identity", 0, LIST) \
    X(P_ASSOCIATED_URI, "P-Associated-URI", 0, LIST) \
    X(P_CALLED_PARTY_ID, "P-Called-Party-ID", 0, ONE) \
    X(P_VISITED_NETWORK_ID, "P-Visited-Network-ID", 0, LIST) \
    X(P_ACCESS_NETWORK_INFO, "P-Access-Network-Info", 0, LIST) \
    X(P_CHARGING_VECTOR, "P-Charging-Vector", 0, ONE) \
    X(P_CHARGING_FUNCTION_ADDRESSES, "P-Charging-Function-Addresses", 0, LIST) \
    X(P_MEDIA_AUTHORIZATION, "P-Media-Authorization", 0, LIST) \
    X(P_EARLY_MEDIA, "P-Early-Media", 0, LIST) \
    X(P_SERVED_USER, "P-Served-User", 0, ONE) \
    X(PRIVACY, "Privacy", 0, ONE) \
    X(REASON, "Reason", 0, LIST) \
    X(RETRY_AFTER, "Retry-After", 0, ONE) \
    X(RSEQ, "RSeq", 0, ONE) \
    X(RACK, "RAck", 0, ONE) \
    X(EVENT, "Event", 'o', ONE) \
    X(SUBSCRIPTION_STATE, "Subscription-State", 0, ONE) \
    X(SESSION_EXPIRES, "Session-Expires", 'x', ONE) \
    X(MIN_SE, "Min-SE", 0, ONE) \
    X(TIMESTAMP, "Timestamp", 0, ONE) \
    X(WARNING, "Warning", 0, LIST) \
    X(FEATURE_CAPS, "Feature-Caps", 0, LIST) \
    X(HISTORY_INFO, "History-Info", 0, LIST) \
    X(ACCEPT, "Accept", 0, LIST) \
    X(ACCEPT_CONTACT, "Accept-Contact", 'a', LIST) \
    X(ALLOW_EVENTS, "Allow-Events", 'u', LIST) \
    X(CONTENT_DISPOSITION, "Content-Disposition", 0, ONE) \
    X(CONTENT_ENCODING, "Content-Encoding", 'e', LIST) \
    X(DATE, "Date", 0, ONE) \
    X(IDENTITY, "Identity", 'y', LIST) \
    X(IDENTITY_INFO, "Identity-Info", 'n', ONE) \
    X(P_ASSERTED_SERVICE, "P-Asserted-Service", 0, LIST) \
    X(P_PREFERRED_SERVICE, "P-Preferred-Service", 0, LIST) \
    X(REFER_TO, "Refer-To", 'r', ONE) \
    X(REFERRED_BY, "Referred-By", 'b', ONE) \
    X(REJECT_CONTACT, "Reject-Contact", 'j', LIST) \
    X(REPLACES, "Replaces", 0, ONE) \
    X(REQUEST_DISPOSITION, "Request-Disposition", 'd', LIST) \
    X(SERVER, "Server", 0, ONE) \
    X(SUBJECT, "Subject", 's', ONE) \
    X(USER_AGENT, "User-Agent", 0, ONE)
/* clang-format on */

#endif
