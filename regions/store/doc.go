// Package store keeps the fleet's shared state in etcd: every instance's
// votes, what instances say of themselves, the operators' overrides and the
// applied fleet file. It is the only package that knows etcd; what to ask of
// it, when, and what to believe is in package protocol.
//
// # Keys, under the fleet's prefix
//
//	fleet/current         the applied fleet file
//	fleet/history/N       the last HistoryKept applied ones; N has twelve digits
//	votes/INSTANCE        all votes of one instance, under its lease
//	instances/INSTANCE    what the instance says of itself, same lease
//	overrides/KIND/NAME   an override; swept a day after its end
//
// Names are percent-escaped. Values are JSON; one of more than 64 KiB is
// gzip around JSON.
//
// # Reading
//
// A session talks to one etcd endpoint. It lists everything in one
// transaction at revision R and watches from R+1, asks for progress every few
// seconds, lists again every Relist, and is torn down by silence, a lost
// connection or a lost leader; the next session dials the next endpoint
// afresh. Values are judged one by one: a bad one is refused and reported,
// the others count. What is refused depends on nothing but the value, so that
// all instances refuse alike.
//
// # Writing
//
// Votes are written when they change and on a beat, never faster than a fixed
// pace. That writing fails never disturbs reading.
package store
