package dnsserver

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/steerdns/steerdns/dnsserver/wire"
)

// Counters is what one worker counts. A worker that is alone with its
// Counters writes without contention; NewCounters(true) makes one that
// several goroutines may share. They are added up when scraped.
type Counters struct {
	requests  vec // by zone, transport, family and type
	responses vec // by zone and response code
	answers   vec // by service and region
	failOpen  vec // by service
	truncated count
	cookies   [cookieStates]count
	limited   [replyKinds][limitActions]count
	overLimit count // replies that RRL found one too many
	panics    count
	dropped   [dropReasons]count
	durations [transports]histogram
	clock     int64    // when the batch being answered was read; owned by the worker
	_         [64]byte // keep the next worker's counters off this cache line
}

// begin notes when a batch was read, so that answering it need not ask the
// clock for every query. Counters that are shared do not remember it.
func (c *Counters) begin(at time.Time) {
	if !c.shared() {
		c.clock = at.UnixNano()
	}
}

// now is the time in Unix nanoseconds.
func (c *Counters) now() int64 {
	if c.clock != 0 {
		return c.clock
	}
	return time.Now().UnixNano()
}

// count is one counter. shared says whether several goroutines write it.
type count struct{ n atomic.Uint64 }

func (c *count) add(n uint64, shared bool) {
	if shared {
		c.n.Add(n)
		return
	}
	c.n.Store(c.n.Load() + n)
}

// next adds one and returns the new value.
func (c *count) next(shared bool) uint64 {
	if shared {
		return c.n.Add(1)
	}
	n := c.n.Load() + 1
	c.n.Store(n)
	return n
}

const chunkSize = 64

type chunk [chunkSize]count

// vec is an array of counters, of which those used take memory.
type vec struct {
	chunks []atomic.Pointer[chunk]
	shared bool
}

func newVec(size int, shared bool) vec {
	return vec{chunks: make([]atomic.Pointer[chunk], (size+chunkSize-1)/chunkSize), shared: shared}
}

func (v *vec) add(slot uint32) {
	c := v.chunks[slot/chunkSize].Load()
	if c == nil {
		c = v.grow(slot / chunkSize)
	}
	c[slot%chunkSize].add(1, v.shared)
}

func (v *vec) grow(i uint32) *chunk {
	v.chunks[i].CompareAndSwap(nil, new(chunk))
	return v.chunks[i].Load()
}

// addTo adds all counters to sums.
func (v *vec) addTo(sums map[uint32]uint64) {
	for i := range v.chunks {
		c := v.chunks[i].Load()
		if c == nil {
			continue
		}
		for j := range c {
			if n := c[j].n.Load(); n > 0 {
				sums[uint32(i*chunkSize+j)] += n
			}
		}
	}
}

// dropReason is why a packet or a connection got no reply.
type dropReason uint8

const (
	dropShort      dropReason = iota // no room for a header
	dropResponse                     // QR is set
	dropOversize                     // longer than we read
	dropConnLimit                    // too many connections
	dropHandshake                    // TLS was not agreed on
	dropProxy                        // a PROXY header that is missing, bad or not to be believed
	dropUnsendable                   // the system refused to send the reply
	dropDenied                       // by configuration
	dropClientRate                   // more queries than one client may ask
	dropKeepAlive                    // the TCP keepalive option over QUIC
	dropReasons
)

var dropReasonNames = [dropReasons]string{"short", "response", "oversize", "connection_limit", "handshake", "proxy", "unsendable",
	"denied", "client_rate", "keepalive"}

// histogram counts durations. The last bucket has no upper bound.
type histogram struct {
	buckets [len(durationBounds) + 1]count
	nanos   count
}

// durationBounds are the buckets' upper bounds.
var durationBounds = [...]time.Duration{
	time.Microsecond, 2 * time.Microsecond, 4 * time.Microsecond, 8 * time.Microsecond,
	16 * time.Microsecond, 64 * time.Microsecond, 256 * time.Microsecond, time.Millisecond,
	4 * time.Millisecond, 16 * time.Millisecond, 64 * time.Millisecond, 256 * time.Millisecond, time.Second,
}

// NewCounters returns Counters that r's collector adds up. shared: several
// goroutines will use them.
func (r *Responder) NewCounters(shared bool) *Counters {
	c := &Counters{
		requests:  newVec(maxZoneSlots*requestsPerZone, shared),
		responses: newVec(maxZoneSlots*len(rcodeNames), shared),
		answers:   newVec(maxPairSlots, shared),
		failOpen:  newVec(maxServiceSlots, shared),
	}
	r.workers.add(c)
	return c
}

// workers is the list of all Counters.
type workers struct {
	mu  sync.Mutex
	all []*Counters
}

func (w *workers) add(c *Counters) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, c)
}

func (w *workers) list() []*Counters {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all[:len(w.all):len(w.all)]
}

func (c *Counters) shared() bool { return c.requests.shared }

func (c *Counters) drop(query []byte) {
	if len(query) < wire.HeaderLen {
		c.dropFor(dropShort)
		return
	}
	c.dropFor(dropResponse)
}

func (c *Counters) dropFor(why dropReason) { c.dropped[why].add(1, c.shared()) }

// count counts one reply.
func (c *Counters) count(l *live, q *wire.Query, h *hit, client netip.Addr, tr Transport, truncated bool) {
	zone := noZoneSlot
	if h.zone >= 0 {
		zone = l.zones[h.zone]
	}
	c.requests.add(requestSlot(zone, tr, client.Is4(), q.QType))
	c.responses.add(zone*uint32(len(rcodeNames)) + uint32(rcodeIndex(h.c.rcode)))
	if h.c.region >= 0 {
		c.answers.add(l.pairs[int(h.c.service)*l.regions+int(h.c.region)])
	}
	if h.c.failOpen {
		c.failOpen.add(l.services[h.c.service])
	}
	if truncated {
		c.truncated.add(1, c.shared())
	}
}

// observe notes that n queries took this long together.
func (c *Counters) observe(tr Transport, n int, took time.Duration) {
	if n == 0 {
		return
	}
	each := took / time.Duration(n)
	i := 0
	for i < len(durationBounds) && each > durationBounds[i] {
		i++
	}
	h := &c.durations[tr]
	h.buckets[i].add(uint64(n), c.shared())
	h.nanos.add(uint64(max(took, 0)), c.shared())
}
