// Package config turns the instance file and the fleet file into validated,
// immutable values. Whatever is wrong is reported at once, each problem as
//
//	file:line:col: path: problem (what to do)
//
// in the order of the text. Only text that is not YAML at all yields a single
// problem, since nothing after it can be trusted. The steps are: decode
// strictly, default, validate.
//
// # Notation
//
// Both files are strict YAML in UTF-8: one document, no key twice, no key
// that is not known, no anchors, aliases, merge keys or tags, no key without
// a value. A file has at most 1 MiB, a table at most 3000 keys.
//
//	duration   whole numbers with ms, s, m, h, d or w: 500ms, 10s, 1h30m, 14d
//	share      50% or 0.5
//	distance   500km, -200km
//	address    IPv4 or IPv6 unicast; never IPv4-mapped, never with a zone
//	prefix     192.0.2.0/24, without host bits; an IPv4 address is its own
//	           prefix, and IPv6 has /64 at most
//	domain     letters, digits, "-", "_" and "."; the final dot may be left
//	           out; no escapes, no wildcards, other scripts as xn-- labels
//	name       of a region, check or instance: lower-case letters, digits,
//	           "-", "_" and ".", at most 63
//
// # The fleet file
//
// testdata/example-fleet.yaml shows every part with comments. The fields of
// the types Fleet, Zone, SOA, Region, Check, Service, Endpoint, Stage, Fence,
// Place and Brake name the key they are read from, its range and its default.
//
//	zones        name*, ttl, soa, ns, records | file
//	zones[].soa  mname, rname, serial, refresh, retry, expire, negative_ttl, ttl
//	regions      name*, latitude*, longitude*, country, continent, capacity,
//	             bias, min_up
//	checks       name*, type*, port, interval, timeout, fall, rise; for http
//	             and https: method, path, host, headers, status, body; for
//	             https: tls_name, skip_verify
//	services     name*, check*, endpoints*, ttl, policy, all_down
//	places       a prefix: the name of a region, or {latitude, longitude,
//	             country, continent, asn}
//	brake        share, window
//
// Keys with a star have no default. A zone needs soa and ns unless it has
// records or a file that may hold them; what those hold is not judged here.
// Zones may not lie inside one another, since two of them would then answer
// for one name.
//
// A service's policy is a list of the stages healthy, near, balance,
//
//	{fence: {countries: [DE], continents: [EU], asns: [64496],
//	         prefixes: [192.0.2.0/24], regions: [eu-west]}}
//	{tier: [[us-east, us-west], [eu-west]]}
//	{take: 3} or {take: {count: 3, regions: 2}}
//
// each at most once but for fence, and take at the end. An endpoint is an
// address, or {address, weight, probe}, or {cname, weight, probe}. ttl is
// {min, max} or one duration; all_down is fail-open, nodata, servfail or
// {fallback: [addresses]}.
//
// # The instance file
//
// testdata/example-instance.yaml shows every part; the types Instance, Store,
// Embedded, Etcd, DNS, TCP, Encrypted, Certificate, Geo, Admin and Log give ranges and defaults.
//
//	name*, region*
//	fleet*   a path, or etcd for what `steerdns apply` stored
//	data     directory for state
//	store    {embedded: {dir, listen}} or {etcd: {endpoints*, prefix, ca,
//	         cert, key, username, password | password_file}}
//	dns      listen, workers, max_udp_size,
//	         tcp: {max_connections, max_per_client, idle_timeout},
//	         tls, https and quic: the same, and listen, max_streams (not
//	         tls), path (https), certificates: [{cert*, key*}], proxy,
//	         drain_timeout
//	geo      city, country, asn
//	admin    listen: an address, or off
//	log      level, format
package config
