// Package e2e holds the acceptance of the whole program: real processes, real
// packets, real etcd, dig, kdig and unbound. Its tests carry the build tag
// e2e and run with
//
//	go test -tags e2e -count=1 -timeout 15m ./e2e
//
// They need Linux, root (for network namespaces) and the programs dig, kdig,
// unbound, nsd, knotd, keymgr, kresd, zonemaster-cli and ip; a missing one is a failure.
//
// STEERDNS_RUNS (default 1) is how often each failover is measured, and
// STEERDNS_ETCD_GONE (default 20s) how long the store stays away. With -v the
// measured times are printed beside their bounds. STEERDNS_ZONES (default 150) is
// how many zones TestDifferential compares with NSD and Knot, STEERDNS_SEED which.
//
// STEERDNS_ZONE_RECORDS (default 20000) is how many records the zone has that
// TestSecondariesFollow lets Knot and NSD fetch.
//
// TestFleet plays the scripts of testdata/fleet; its README tells their words.
package e2e
