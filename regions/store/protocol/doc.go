// Package protocol is an instance's dealings with the store without the
// store: what to ask of etcd and when, what to write and when, and what to
// believe of the answers. It knows no network, no clock and no goroutine:
// time is an argument, requests and answers are values. Package store carries
// them to etcd and back; the simulation carries them to a store of its own,
// and so runs the very same code.
package protocol
