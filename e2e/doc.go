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
// STEERDNS_RUNS is how often each is played, STEERDNS_FLEETS (default 4) how
// many at once, STEERDNS_LOSS (default 20s) how long each share of packets is
// lost. STEERDNS_KILLS (default 20) is how often TestKilledAtRandom kills. All
// of them go by the clock: on a machine that is overloaded answers come late.
// STEERDNS_DNSPERF (default 3s) is how long dnsperf asks over each transport, and
// STEERDNS_RELOAD (default 12s) how long everything changes under load.
//
// The tests of floods and bad connections carry the tag load besides, and are not
// part of CI: they need a machine to themselves.
//
//	STEERDNS_CONNECTIONS=5000 go test -tags 'e2e load' -count=1 -v -run 'BadConnections|Floods' ./e2e
package e2e
