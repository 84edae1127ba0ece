//! What people do and what comes of it, minute by minute.
//!
//! Each line is a time, an act, and after `->` what must come of it. One
//! function, [`world::check`], knows the crate; `world` also plays the
//! controller, in the fewest lines that can.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test that cannot go on fails"
)]

mod world;

use world::check;

#[test]
fn an_elevation_from_ask_to_end() {
    check(
        "
10:00 alice asks R1: view-secrets on secrets:db in payments for 30m -> Pending
10:01 alice calls R1: GET /api/v1/namespaces/payments/secrets/db    -> denial NoSuchGrant
10:02 alice approves R1                                             -> refused SelfApproval
10:03 bob approves R1 with another digest                           -> refused DigestMismatch
10:03 bob approves R1 claiming role view-logs                       -> refused ClaimsMismatch
10:03 bob approves R1 claiming namespaces shop                      -> refused ClaimsMismatch
10:03 bob approves R1 claiming requester carol                      -> refused ClaimsMismatch
10:03 bob approves R1 claiming uid other                            -> refused ClaimsMismatch
10:03 mallory withdraws R1                                          -> refused NotYours
10:04 bob approves R1                                               -> Active until 10:34
10:04 carol approves R1                                             -> Active until 10:34
10:05 alice calls R1: GET /api/v1/namespaces/payments/secrets/db    -> permit until 10:34
10:05 alice calls R1: GET /api/v1/namespaces/payments/secrets/other -> denial OutsideRules
10:05 alice calls R1: GET /api/v1/namespaces/payments/secrets       -> denial OutsideRules
10:05 alice calls R1: GET /api/v1/namespaces/shop/secrets/db        -> denial OutsideRules
10:05 alice calls R1: DELETE /api/v1/namespaces/payments/secrets/db -> denial OutsideRules
10:05 mallory calls R1: GET /api/v1/namespaces/payments/secrets/db  -> denial NoSuchGrant
10:05 alice calls R2: GET /api/v1/namespaces/payments/secrets/db    -> denial NoSuchGrant
10:33 alice calls R1: GET /api/v1/namespaces/payments/secrets/db    -> permit until 10:34
10:34 alice calls R1: GET /api/v1/namespaces/payments/secrets/db    -> denial WindowClosed
10:34 R1 is looked at                                               -> Expired
10:35 carol revokes R1                                              -> refused TooLate
",
    );
}

#[test]
fn a_request_that_cannot_be_granted_is_refused_before_anybody_sees_it() {
    check(
        "
10:00 alice asks R1: no-such-role in shop for 30m               -> refused RoleNotFound
10:00 alice asks R1: unsound in shop for 30m                    -> refused RoleNotAccepted
10:00 alice asks R1: careless in shop for 30m                   -> refused RoleNotAccepted
10:00 alice asks R1: view-logs for 30m                          -> refused NamespacesRequired
10:00 alice asks R1: view-logs in nowhere for 30m               -> refused NamespaceNotFound
10:00 alice asks R1: view-logs in leaving for 30m               -> refused NamespaceNotFound
10:00 alice asks R1: view-logs in hidden for 30m                -> refused Stale
10:00 alice asks R1: view-logs in brevet-system for 30m         -> refused NamespaceForbidden
10:00 alice asks R1: view-logs in shop,brevet-elevations for 30m -> refused NamespaceForbidden
10:00 alice asks R1: view-logs in kube-system for 30m           -> refused NamespaceForbidden
10:00 alice asks R1: deploy in kube-system for 30m              -> Pending
10:00 alice asks R1: inspect-node in shop for 30m               -> refused NamespacesNotAllowed
10:00 alice asks R1: view-logs in shop for 5h                   -> refused DurationTooLong
10:00 alice asks R1: view-secrets in shop for 30m               -> refused NamesRequired
10:00 alice asks R1: view-secrets on secrets in shop for 30m    -> refused NamesRequired
10:00 alice asks R1: view-secrets on secrets:a/b in shop for 30m -> refused NameMalformed
10:00 alice asks R1: view-secrets on secrets:.. in shop for 30m -> refused NameMalformed
10:00 alice asks R1: view-logs on widgets in shop for 30m       -> refused ResourceUnknown
10:00 alice asks R1: view-logs on pods.apps in shop for 30m     -> refused ResourceUnknown
10:00 alice asks R1: view-logs on things.broken in shop for 30m -> refused Stale
10:00 alice asks R1: view-logs on secrets:db in shop for 30m    -> refused OutsideRole
10:00 alice asks R1: view-logs on pods!delete in shop for 30m   -> refused OutsideRole
10:00 alice asks R1: view-logs on pods:* in shop for 30m        -> refused NameMalformed
10:00 alice asks R1: view-logs on pods!* in shop for 30m        -> refused ForbiddenRule
10:00 alice asks R1: misplaced in shop for 30m                  -> refused ResourceScope
10:00 alice asks R1: everywhere for 30m                         -> refused ResourceScope
10:00 alice asks R1: view-logs in shop for 30m from 09:59       -> refused StartOutOfRange
10:00 alice asks R1: view-logs in shop for 30m from +31d        -> refused StartOutOfRange
10:00 alice asks R1: view-logs in shop for 30m by Token         -> refused DeliveryUnavailable
10:00 alice asks R1: by-token in shop for 30m                   -> refused DeliveryUnavailable
10:00 alice asks R1: by-token in shop for 30m by Gateway        -> refused DeliveryNotAllowed
10:00 alice asks R1: view-logs on pods:1..65 in shop for 30m    -> refused TooBroad
10:00 alice asks R1: view-logs on pods:1..64 in shop for 30m    -> Pending
10:00 alice asks R1: view-logs in a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q for 30m -> refused TooBroad
10:00 alice asks R1: view-logs in shop for 30m                  -> Pending
",
    );
}

#[test]
fn the_first_word_settles_the_matter() {
    check(
        "
10:00 alice asks R1: view-logs in shop for 30m  -> Pending
10:01 bob denies R1 with another digest         -> refused DigestMismatch
10:02 bob denies R1                             -> Denied
10:03 carol approves R1                         -> Denied
10:04 alice withdraws R1                        -> Denied

11:00 alice asks R2: view-logs in shop for 30m  -> Pending
11:01 alice withdraws R2                        -> Withdrawn
11:02 bob approves R2                           -> Withdrawn

12:00 alice asks R3: view-logs in shop for 30m  -> Pending
12:01 carol revokes R3                          -> Revoked
12:02 bob approves R3                           -> Revoked

13:00 alice asks R4: view-logs in shop for 30m  -> Pending
13:01 bob approves R4                           -> Active until 13:31
13:02 carol denies R4                           -> Active until 13:31
13:03 alice withdraws R4                        -> refused TooLate
13:04 bob approves R4                           -> Active until 13:31
13:31 R4 is looked at                           -> Expired
13:32 bob approves R4                           -> refused TooLate
",
    );
}

#[test]
fn a_grant_ends_early_and_stays_ended() {
    check(
        "
10:00 alice asks R1: view-logs in shop for 30m                    -> Pending
10:01 bob approves R1                                             -> Active until 10:31
10:02 mallory revokes R1 claiming requester mallory               -> refused ClaimsMismatch
10:05 alice revokes R1                                            -> Revoked
10:05 alice calls R1: GET /api/v1/namespaces/shop/pods            -> denial Ended
10:06 bob approves R1                                             -> Revoked

11:00 alice asks R2: view-logs in shop for 30m                    -> Pending
11:01 bob approves R2                                             -> Active until 11:31
11:02 carol revokes R2                                            -> Revoked
11:02 alice calls R2: GET /api/v1/namespaces/shop/pods            -> denial Ended
11:40 R2 is looked at                                             -> Revoked
",
    );
}

#[test]
fn a_start_in_the_future_waits_and_a_late_approval_leaves_the_remainder() {
    check(
        "
10:00 alice asks R1: view-logs in shop for 1h from 12:00 -> Pending
10:05 bob approves R1                                    -> Approved from 12:00
11:59 alice calls R1: GET /api/v1/namespaces/shop/pods   -> denial NotYet
12:00 alice calls R1: GET /api/v1/namespaces/shop/pods   -> permit until 13:00
12:00 R1 is looked at                                    -> Active until 13:00
13:00 alice calls R1: GET /api/v1/namespaces/shop/pods   -> denial WindowClosed

14:00 alice asks R2: view-logs in shop for 1h from 15:00 -> Pending
15:20 bob approves R2                                    -> Active until 16:00

17:00 alice asks R3: view-logs in shop for 1h from 18:00 -> Pending
17:05 bob approves R3                                    -> Approved from 18:00
17:30 alice withdraws R3                                 -> Withdrawn
18:00 alice calls R3: GET /api/v1/namespaces/shop/pods   -> denial Ended

19:00 alice asks R4: view-logs in shop for 1h from 20:00 -> Pending
21:00 bob approves R4                                    -> refused WindowMissed
",
    );
}

#[test]
fn a_grant_stands_on_its_evidence_alone() {
    for (tampering, cause) in [
        ("request R1 goes", "Evidence"),
        ("request R1 is being deleted", "Evidence"),
        ("request R1 comes back with another uid", "Evidence"),
        ("decisions on R1 go", "Evidence"),
        ("decisions on R1 are being deleted", "Evidence"),
        ("decisions on R1 come from alice", "Evidence"),
        ("grant R1 gets 1s more", "Evidence"),
        ("grant R1 begins 1h later for 1h more", "Active until 11:31"),
        ("grant R1 gets another digest", "Evidence"),
        ("grant R1 gets another rule", "Evidence"),
        ("grant R1 gets another rule under its own digest", "Evidence"),
        ("grant R1 gets another namespace under its own digest", "Evidence"),
        ("grant R1 gets holder mallory", "Evidence"),
        ("grant R1 gets holder and requester mallory under its own digest", "Evidence"),
        ("grant R1 names no approval", "Evidence"),
        ("grant R1 names another approver", "Evidence"),
        ("grant R1 is being deleted", "Deleted"),
        ("policies stand since 09:59", "Active until 10:31"),
        ("policies stand since 10:00", "Evidence"),
        ("policies stand since 10:01", "Evidence"),
        ("policies stand no more", "Active until 10:31"),
    ] {
        check(&format!(
            "
10:00 alice asks R1: view-logs in shop for 30m -> Pending
10:01 bob approves R1                          -> Active until 10:31
10:02 {tampering}                              -> {cause}
"
        ));
    }
}

#[test]
fn a_shell_takes_create_even_where_the_server_asks_for_get() {
    check(
        "
10:00 alice asks R1: debug-pod on pods:web-1 pods/exec:web-1 in shop for 30m          -> Pending
10:01 bob approves R1                                                                 -> Active until 10:31
10:02 alice calls R1: GET /api/v1/namespaces/shop/pods/web-1/exec                     -> permit until 10:31
10:02 alice calls R1: POST /api/v1/namespaces/shop/pods/web-1/exec                    -> permit until 10:31
10:02 alice calls R1: GET /api/v1/namespaces/shop/pods/web-2/exec                     -> denial OutsideRules

10:00 alice asks R2: debug-pod on pods/exec:web-1!get in shop for 30m                 -> Pending
10:01 bob approves R2                                                                 -> Active until 10:31
10:02 alice calls R2: GET /api/v1/namespaces/shop/pods/web-1/exec                     -> denial OutsideRules
",
    );
}

#[test]
fn discovery_and_self_reviews_pass_and_brevets_own_groups_do_not() {
    check(
        "
10:00 alice asks R1: inspect-node for 30m                                              -> Pending
10:01 bob approves R1                                                                  -> Active until 10:31
10:02 alice calls R1: GET /api                                                         -> permit until 10:31
10:02 alice calls R1: GET /apis                                                        -> permit until 10:31
10:02 alice calls R1: GET /apis/apps/v1                                                -> permit until 10:31
10:02 alice calls R1: GET /openapi/v3/apis/apps/v1                                     -> permit until 10:31
10:02 alice calls R1: GET /version                                                     -> permit until 10:31
10:02 alice calls R1: POST /version                                                    -> denial OutsideRules
10:02 alice calls R1: GET /metrics                                                     -> denial OutsideRules
10:02 alice calls R1: GET /debug/pprof                                                 -> denial OutsideRules
10:02 alice calls R1: POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews      -> permit until 10:31
10:02 alice calls R1: POST /apis/authentication.k8s.io/v1/selfsubjectreviews           -> permit until 10:31
10:02 alice calls R1: POST /apis/authorization.k8s.io/v1/subjectaccessreviews          -> denial OutsideRules
10:02 alice calls R1: POST /apis/brevet.dev/v1alpha1/accessrequests                    -> denial OutsideRules
10:02 alice calls R1: GET /apis/sessions.brevet.dev/v1alpha1/grants/R1/proxy/version   -> denial OutsideRules
10:02 alice calls R1: GET /api/v1/nodes                                                -> permit until 10:31
10:02 alice calls R1: GET /api/v1/namespaces/shop/pods/web-1                           -> permit until 10:31
10:02 alice calls R1: GET /api/v1/namespaces/brevet-system/pods/gateway-0              -> denial OutsideRules
10:02 alice calls R1: GET /api/v1/namespaces/brevet-elevations/pods                    -> denial OutsideRules
",
    );
}

#[test]
fn companions_come_with_named_objects_only() {
    check(
        "
10:00 alice asks R1: roll-back on deployments.apps:web in shop for 30m                 -> Pending
10:01 bob approves R1                                                                  -> Active until 10:31
10:02 alice calls R1: PATCH /apis/apps/v1/namespaces/shop/deployments/web              -> permit until 10:31
10:02 alice calls R1: PATCH /apis/apps/v1/namespaces/shop/deployments/other            -> denial OutsideRules
10:02 alice calls R1: GET /apis/apps/v1/namespaces/shop/replicasets                    -> permit until 10:31

10:00 alice asks R2: roll-back on deployments.apps in shop for 30m                     -> Pending
10:01 bob approves R2                                                                  -> Active until 10:31
10:02 alice calls R2: GET /apis/apps/v1/namespaces/shop/replicasets                    -> denial OutsideRules
",
    );
}
